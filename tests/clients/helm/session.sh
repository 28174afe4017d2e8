#!/usr/bin/env bash
# A release's life with Helm: install with hooks, test, upgrade, a failing upgrade that is rolled back, rollback, uninstall.
# Usage: session.sh (HELM and KUBECTL name the programs, KUBECONFIG the cluster).
set -euo pipefail
cd "$(dirname "$0")"
helm() { "$HELM" "$@"; }
kubectl() { "$KUBECTL" "$@"; }
expect() { [ "$2" = "$3" ] || { echo "$1: expected '$3', got '$2'"; exit 1; }; }
contains() { case "$2" in *"$3"*) ;; *) echo "$1: '$3' is not in: $2"; exit 1 ;; esac; }
ready() { kubectl get deployment shop -o "jsonpath={.status.readyReplicas}"; }
greeting() { kubectl get configmap shop-settings -o "jsonpath={.data.APP_NAME}"; }
ran() { contains "hook $1" "$(kubectl logs "job/shop-$1")" "$1 ran"; }

helm install shop chart --wait --timeout 60s > /dev/null
expect "pods after install" "$(ready)" 2
ran pre-install
ran post-install
contains "status" "$(helm status shop)" "STATUS: deployed"
helm test shop --timeout 60s > /dev/null
contains "the test's log" "$(kubectl logs shop-test)" '{"status":"ok"}'

helm upgrade shop chart --set replicas=3,greeting=bonjour --wait --timeout 60s > /dev/null
expect "pods after upgrade" "$(ready)" 3
expect "the greeting after upgrade" "$(greeting)" bonjour
ran pre-upgrade

if helm upgrade shop chart --set image=fastapi-k8s:gone --wait --timeout 3s > /dev/null 2>&1; then
  echo "an upgrade to an image that is not there should fail"
  exit 1
fi
contains "history" "$(helm history shop)" failed
helm rollback shop 2 --wait --timeout 60s > /dev/null
ran post-rollback
expect "the greeting after rollback" "$(greeting)" bonjour
expect "the image after rollback" "$(kubectl get deployment shop -o 'jsonpath={.spec.template.spec.containers[0].image}')" fastapi-k8s:latest
expect "revisions" "$(helm history shop -o json | grep -o '"revision"' | wc -l | tr -d ' ')" 4
contains "the values" "$(helm get values shop)" "greeting: bonjour"
contains "a dry run at the server" "$(helm upgrade shop chart --dry-run=server --set replicas=1)" "replicas: 1"
expect "pods after a dry run" "$(ready)" 3

helm uninstall shop --wait --timeout 60s > /dev/null
ran pre-delete
expect "what is left" "$(kubectl get deployment,service,configmap -l app=shop -o name)" ""
if kubectl get deployment shop > /dev/null 2>&1; then
  echo "the Deployment is still there"
  exit 1
fi
