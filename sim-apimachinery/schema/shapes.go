// Writes go_shapes.txt: what JSON encoding in Go does with each field of the API's types.
//
//	go mod init shapes && go get k8s.io/client-go@v0.36.2 k8s.io/kube-aggregator@v0.36.2 k8s.io/apiextensions-apiserver@v0.36.2
//	go run . > go_shapes.txt
//
// A line is a type and its fields with what holds: `field:o` is left out when it is zero, `field:z(JSON)` is always there,
// with that zero value. Fields that are not named are pointers, left out when they are nil.
package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

var seen = map[reflect.Type]bool{}
var lines = map[string]map[string]string{}

func name(t reflect.Type) string {
	parts := strings.Split(t.PkgPath(), "/")
	return "io.k8s." + strings.Join(parts[1:], ".") + "." + t.Name()
}

func visit(t reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || seen[t] || !strings.HasPrefix(t.PkgPath(), "k8s.io/") {
		return
	}
	seen[t] = true
	if _, custom := reflect.New(t).Interface().(json.Marshaler); !custom {
		fields(t, name(t))
	}
}

func fields(t reflect.Type, owner string) {
	for i := 0; i < t.NumField(); i++ {
		field := t.Field(i)
		tag := strings.Split(field.Tag.Get("json"), ",")
		options := " " + strings.Join(tag[1:], " ") + " "
		if field.Anonymous && (tag[0] == "" || strings.Contains(options, " inline ")) {
			visitEmbedded(field.Type, owner)
			continue
		}
		if tag[0] == "-" || tag[0] == "" {
			continue
		}
		visit(field.Type)
		line(owner, tag[0], field.Type, options)
	}
}

func visitEmbedded(t reflect.Type, owner string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	fields(t, owner)
}

func line(owner, field string, t reflect.Type, options string) {
	omitEmpty, omitZero := strings.Contains(options, " omitempty "), strings.Contains(options, " omitzero ")
	if omitZero || (omitEmpty && t.Kind() != reflect.Struct) {
		if t.Kind() != reflect.Pointer {
			note(owner, field, "o")
		}
		return
	}
	zero, err := json.Marshal(reflect.Zero(t).Interface())
	if err != nil {
		panic(err)
	}
	note(owner, field, fmt.Sprintf("z(%s)", zero))
}

func main() {
	for _, t := range scheme.Scheme.AllKnownTypes() {
		visit(t)
	}
	for _, v := range []any{apiextensions.CustomResourceDefinition{}, apiregistration.APIService{}, metav1.APIGroup{}, metav1.APIResourceList{}} {
		visit(reflect.TypeOf(v))
	}
	fmt.Println("# What JSON encoding in Go does with fields: o, left out when zero; z(JSON), always there. Made by shapes.go.")
	for _, owner := range sorted(lines) {
		line := owner
		for _, field := range sorted(lines[owner]) {
			line += " " + field + ":" + lines[owner][field]
		}
		fmt.Println(line)
	}
}

func note(owner, field, what string) {
	if lines[owner] == nil {
		lines[owner] = map[string]string{}
	}
	lines[owner][field] = what
}

func sorted[V any](of map[string]V) []string {
	return slices.Sorted(maps.Keys(of))
}
