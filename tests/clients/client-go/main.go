// A session with client-go: two candidates elect a leader, the leader's shared informers follow a Deployment for a while
// (a minute unless told otherwise), and a command, a log and a forwarded port are had over SPDY.
// Usage: session [-for 60s] (KUBECONFIG names the cluster). Ends with 0 when everything was as a real cluster does it.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/util/exec"
	"k8s.io/client-go/util/retry"
)

const namespace = "client-go"

type session struct {
	config *rest.Config
	client kubernetes.Interface
}

// What the informers have told.
type told struct {
	sync.Mutex
	added, updated, deleted map[string]int
}

func (t *told) count(counts map[string]int, object any) {
	t.Lock()
	defer t.Unlock()
	if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	counts[object.(*corev1.Pod).Name]++
}

func main() {
	length := flag.Duration("for", time.Minute, "how long the informers are kept")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), *length+2*time.Minute)
	defer cancel()
	if err := run(ctx, *length); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, length time.Duration) error {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 100, 200
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	s := session{config, client}
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if _, err := client.CoreV1().Namespaces().Create(ctx, space, metav1.CreateOptions{}); err != nil {
		return err
	}
	return s.electAndLead(ctx, func(ctx context.Context) error { return s.lead(ctx, length) })
}

// electAndLead lets two candidates stand; the first leads, steps down when its work is done, and the second takes over.
func (s session) electAndLead(ctx context.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var once sync.Once
	first, second := make(chan string, 1), make(chan string, 1)
	failed := make(chan error, 1)
	stand := func(ctx context.Context, name string, lead func(context.Context)) {
		lock := &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Name: "session", Namespace: namespace},
			Client:     s.client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: name},
		}
		leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
			Lock: lock, ReleaseOnCancel: true,
			LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: time.Second,
			Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: lead, OnStoppedLeading: func() {}},
		})
	}
	for _, name := range []string{"one", "two"} {
		own, stepDown := context.WithCancel(ctx)
		defer stepDown()
		go stand(own, name, func(leading context.Context) {
			isFirst := false
			once.Do(func() { isFirst = true })
			if !isFirst {
				second <- name
				return
			}
			first <- name
			failed <- work(leading)
			stepDown()
		})
	}
	leader := <-first
	if err := <-failed; err != nil {
		return err
	}
	select {
	case next := <-second:
		if next == leader {
			return fmt.Errorf("%s led twice", leader)
		}
	case <-time.After(30 * time.Second):
		return errors.New("nobody took over the lease")
	}
	lease, err := s.client.CoordinationV1().Leases(namespace).Get(ctx, "session", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if changes := *lease.Spec.LeaseTransitions; changes != 1 {
		return fmt.Errorf("the lease says that it changed hands %d times", changes)
	}
	return s.client.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{})
}

func (s session) lead(ctx context.Context, length time.Duration) error {
	factory := informers.NewSharedInformerFactoryWithOptions(s.client, 20*time.Second, informers.WithNamespace(namespace))
	pods, deployments := factory.Core().V1().Pods(), factory.Apps().V1().Deployments()
	told := &told{added: map[string]int{}, updated: map[string]int{}, deleted: map[string]int{}}
	_, err := pods.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { told.count(told.added, object) },
		UpdateFunc: func(_, object any) { told.count(told.updated, object) },
		DeleteFunc: func(object any) { told.count(told.deleted, object) },
	})
	if err != nil {
		return err
	}
	deployments.Informer()
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("the informer of %v has not synced", kind)
		}
	}
	until := time.Now().Add(length)
	if _, err := s.client.AppsV1().Deployments(namespace).Create(ctx, deployment(), metav1.CreateOptions{}); err != nil {
		return err
	}
	ready := func(count int32) func() error {
		return func() error {
			found, err := deployments.Lister().Deployments(namespace).Get("web")
			if err == nil && found.Status.ReadyReplicas != count {
				err = fmt.Errorf("%d of %d replicas are ready", found.Status.ReadyReplicas, count)
			}
			return err
		}
	}
	if err := eventually(ctx, ready(2)); err != nil {
		return err
	}
	listed, err := pods.Lister().Pods(namespace).List(labels.SelectorFromSet(labels.Set{"app": "web"}))
	if err != nil || len(listed) != 2 {
		return fmt.Errorf("the cache has %d pods: %w", len(listed), err)
	}
	for _, step := range []func(context.Context, string) error{s.exec, s.logs, s.forward} {
		if err := step(ctx, listed[0].Name); err != nil {
			return err
		}
	}
	if err := s.scale(ctx, 4); err != nil {
		return err
	}
	if err := eventually(ctx, ready(4)); err != nil {
		return err
	}
	time.Sleep(time.Until(until))
	return s.endOfLead(ctx, told, pods.Lister().Pods(namespace).List)
}

// endOfLead deletes the Deployment; the informers, kept until now, must tell of every pod's end.
func (s session) endOfLead(ctx context.Context, told *told, list func(labels.Selector) ([]*corev1.Pod, error)) error {
	foreground := metav1.DeletePropagationForeground
	err := s.client.AppsV1().Deployments(namespace).Delete(ctx, "web", metav1.DeleteOptions{PropagationPolicy: &foreground})
	if err != nil {
		return err
	}
	return eventually(ctx, func() error {
		told.Lock()
		defer told.Unlock()
		if len(told.added) != 4 || len(told.updated) != 4 || len(told.deleted) != 4 {
			return fmt.Errorf("told of %d new, %d changed, %d deleted pods", len(told.added), len(told.updated), len(told.deleted))
		}
		if left, err := list(labels.Everything()); err != nil || len(left) != 0 {
			return fmt.Errorf("%d pods are left in the cache: %w", len(left), err)
		}
		return nil
	})
}

func (s session) scale(ctx context.Context, replicas int32) error {
	deployments := s.client.AppsV1().Deployments(namespace)
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		scale, err := deployments.GetScale(ctx, "web", metav1.GetOptions{})
		if err != nil {
			return err
		}
		scale.Spec.Replicas = replicas
		_, err = deployments.UpdateScale(ctx, "web", scale, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return err
	}
	patch := []byte(`{"metadata":{"annotations":{"patched":"yes"}}}`)
	patched, err := deployments.Patch(ctx, "web", types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	if err == nil && patched.Annotations["patched"] != "yes" {
		err = errors.New("the patch is not in the answer")
	}
	if err != nil {
		return err
	}
	patched.ResourceVersion = "1"
	if _, err := deployments.Update(ctx, patched, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		return fmt.Errorf("an update of an old version: expected a conflict, got %v", err)
	}
	return nil
}

func (s session) exec(_ context.Context, pod string) error {
	run := func(ctx context.Context, input io.Reader, command ...string) (string, string, error) {
		request := s.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("exec")
		options := &corev1.PodExecOptions{Command: command, Stdin: input != nil, Stdout: true, Stderr: true}
		executor, err := remotecommand.NewSPDYExecutor(s.config, "POST", request.VersionedParams(options, scheme.ParameterCodec).URL())
		if err != nil {
			return "", "", err
		}
		var out, errs bytes.Buffer
		err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: input, Stdout: &out, Stderr: &errs})
		return out.String(), errs.String(), err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if out, _, err := run(ctx, nil, "hostname"); err != nil || strings.TrimSpace(out) != pod {
		return fmt.Errorf("hostname over SPDY: %q, %w", out, err)
	}
	out, errs, err := run(ctx, nil, "sh", "-c", "echo out; echo err >&2; exit 3")
	var code exec.CodeExitError
	if !errors.As(err, &code) || code.Code != 3 || out != "out\n" || errs != "err\n" {
		return fmt.Errorf("a command that fails: %q, %q, %w", out, errs, err)
	}
	out, _, err = run(ctx, strings.NewReader("echo one\necho two\n"), "sh")
	if err != nil || out != "one\ntwo\n" {
		return fmt.Errorf("a shell that is fed: %q, %w", out, err)
	}
	if _, _, err = run(ctx, nil, "nosuchprogram"); err == nil || !strings.Contains(err.Error(), "executable file not found") {
		return fmt.Errorf("a program that is not there: %w", err)
	}
	return nil
}

func (s session) logs(ctx context.Context, pod string) error {
	lines := int64(1)
	text, err := s.client.CoreV1().Pods(namespace).GetLogs(pod, &corev1.PodLogOptions{TailLines: &lines}).DoRaw(ctx)
	if err == nil && !strings.Contains(string(text), "Uvicorn running") {
		err = fmt.Errorf("the log's last line is %q", text)
	}
	return err
}

func (s session) forward(ctx context.Context, pod string) error {
	transport, upgrader, err := spdy.RoundTripperFor(s.config)
	if err != nil {
		return err
	}
	address := s.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("portforward").URL()
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, "POST", address)
	stop, ready := make(chan struct{}), make(chan struct{})
	defer close(stop)
	forwarder, err := portforward.New(dialer, []string{"0:8000"}, stop, ready, io.Discard, os.Stderr)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- forwarder.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-failed:
		return fmt.Errorf("port-forward over SPDY: %w", err)
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		return err
	}
	for range 3 {
		answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/health", ports[0].Local))
		if err != nil {
			return err
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != 200 || !strings.Contains(string(body), "ok") {
			return fmt.Errorf("through the forwarded port: %d %s: %w", answer.StatusCode, body, err)
		}
	}
	return nil
}

func eventually(ctx context.Context, check func() error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		last = check()
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("%w; last seen: %w", err, last)
	}
	return nil
}

func deployment() *appsv1.Deployment {
	replicas := int32(2)
	labels := map[string]string{"app": "web"}
	container := corev1.Container{
		Name: "web", Image: "fastapi-k8s:latest", ImagePullPolicy: corev1.PullNever,
		Ports: []corev1.ContainerPort{{ContainerPort: 8000}},
	}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{container}},
			},
		},
	}
}
