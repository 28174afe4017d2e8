#!/usr/bin/env bash
# A session with kubectl, command by command, each checked for what it says.
# Usage: session.sh MANIFESTS (KUBECTL names the program, KUBECONFIG the cluster, which runs ten times faster than real time).
set -uo pipefail
manifests="$1"
work=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null; rm -rf "$work"' EXIT
kubectl() { timeout 60 "$KUBECTL" "$@"; }
fail() { echo "FAILED: $*"; exit 1; }

# says PATTERN COMMAND...: it ends with 0 and its output has the pattern.
says() {
  local pattern="$1" output code; shift
  output=$("$@" 2>&1); code=$?
  [ "$code" = 0 ] || fail "$* ended with $code: $output"
  grep -qE -- "$pattern" <<< "$output" || fail "$*: no '$pattern' in: $output"
}
# refuses CODE PATTERN COMMAND...
refuses() {
  local expected="$1" pattern="$2" output code; shift 2
  output=$("$@" 2>&1); code=$?
  [ "$code" = "$expected" ] || fail "$* ended with $code, not $expected: $output"
  grep -qE -- "$pattern" <<< "$output" || fail "$*: no '$pattern' in: $output"
}
eventually() {
  local pattern="$1" output=""; shift
  for _ in $(seq 200); do
    output=$("$@" 2>&1)
    grep -qE -- "$pattern" <<< "$output" && return
    sleep 0.1
  done
  fail "$*: still no '$pattern' in: $output"
}
first_pod() { kubectl get pods -l "$1" -o 'jsonpath={.items[0].metadata.name}'; }

says 'Server Version: v1\.36' kubectl version
says 'is running at https' kubectl cluster-info
says '^deployments +deploy +apps/v1 +true +Deployment' kubectl api-resources
says '^autoscaling/v2$' kubectl api-versions
says '^yes$' kubectl auth can-i create deployments
refuses 1 '^no$' kubectl auth can-i create deployments --as jane
says 'kubernetes-admin' kubectl auth whoami
says 'livenessProbe' kubectl explain pod.spec.containers
says 'Ready +(<none>|control-plane)' kubectl get nodes -o wide
says 'KubeletReady' kubectl describe node docker-desktop

# The application.
says 'deployment.apps/fastapi-k8s created \(dry run\)' kubectl apply -f "$manifests/k8s.yaml" --dry-run=client
says 'deployment.apps/fastapi-k8s created \(server dry run\)' kubectl apply -f "$manifests/k8s.yaml" --dry-run=server
refuses 1 'kind: Deployment' kubectl diff -f "$manifests/k8s.yaml"
kubectl get pods -w > "$work/watched" 2>&1 &
says 'deployment.apps/fastapi-k8s created' kubectl apply -f "$manifests/k8s.yaml" -f "$manifests/redis.yaml"
says 'successfully rolled out' kubectl rollout status deployment/fastapi-k8s
says 'condition met' kubectl wait --for=condition=Available deployment/redis --timeout 30s
says 'condition met' kubectl wait --for=jsonpath='{.status.readyReplicas}'=5 deployment/fastapi-k8s --timeout 30s
kill %1
grep -q ContainerCreating "$work/watched" && grep -q '1/1 *Running' "$work/watched" || fail "get -w saw: $(cat "$work/watched")"
says 'unchanged' kubectl apply -f "$manifests/k8s.yaml"
says '' kubectl diff -f "$manifests/k8s.yaml"
says 'deployment.apps/fastapi-k8s +5/5 +5 +5' kubectl get all
says 'NewReplicaSet: +fastapi-k8s-' kubectl describe deployment fastapi-k8s
pod=$(first_pod app=fastapi-k8s)
says 'Started +.*Container started|Container started' kubectl describe pod "$pod"
says 'Scaled up replica set' kubectl events --for deployment/fastapi-k8s
says 'SuccessfulCreate' kubectl get events --sort-by .metadata.creationTimestamp
says '"kind": "Pod"' kubectl get pod "$pod" -o json
says "^$pod\$" kubectl get pods --field-selector "metadata.name=$pod" -o custom-columns=:metadata.name --no-headers

# Into containers.
says 'Uvicorn running' kubectl logs "$pod"
says '^20[0-9-]+T[0-9:.]+Z INFO: +Uvicorn' kubectl logs "$pod" --tail 1 --timestamps
says '' kubectl logs "$pod" --since 1s
says 'fastapi-k8s-' kubectl logs -l app=fastapi-k8s --prefix --tail 1
refuses 1 'previous terminated container .* not found' kubectl logs "$pod" --previous
says "^$pod\$" kubectl exec "$pod" -- hostname
refuses 3 'exit code 3' kubectl exec "$pod" -- sh -c 'exit 3'
refuses 1 'executable file not found in \$PATH' kubectl exec "$pod" -- nosuchprogram
says '^fastapi-k8s$' kubectl exec -i "$pod" -- sh <<< 'echo $APP_NAME'
says '"status":"ok"' kubectl exec "$pod" -- curl -s http://fastapi-k8s/health
says '' kubectl cp "$manifests/k8s.yaml" "$pod:/tmp/x"
says 'kind: Deployment' kubectl exec "$pod" -- cat /tmp/x
says '' kubectl cp "$manifests" "$pod:/tmp/folder"
says '' kubectl cp "$pod:/tmp/folder" "$work/folder"
says '' diff -r "$manifests" "$work/folder"
refuses 2 'No such file or directory' kubectl cp "$pod:/nowhere" "$work/nowhere"
says 'kept' kubectl exec -i "$pod" -- sh -c 'cat > /tmp/piped; cat /tmp/piped' <<< 'kept'
kubectl logs -f "$pod" --tail 0 > "$work/followed" 2>&1 &
kubectl port-forward service/fastapi-k8s :80 > "$work/forwarded" 2>&1 &
eventually 'Forwarding from 127.0.0.1:[0-9]+ -> 8000' cat "$work/forwarded"
port=$(grep -oE '127.0.0.1:[0-9]+' "$work/forwarded" | head -1)
says '"ready":true' curl -s "http://$port/ready"
kubectl port-forward "pod/$pod" :8000 > "$work/forwarded-to-pod" 2>&1 &
eventually 'Forwarding from 127.0.0.1:[0-9]+ -> 8000' cat "$work/forwarded-to-pod"
port=$(grep -oE '127.0.0.1:[0-9]+' "$work/forwarded-to-pod" | head -1)
says '"crash":true' curl -s -X POST "http://$port/crash"
eventually 'crashing on request' cat "$work/followed"
eventually ' 1 \(' kubectl get pod "$pod"
says 'crashing on request' kubectl logs "$pod" --previous --tail 1
kubectl proxy --port 0 > "$work/proxied" 2>&1 &
eventually 'Starting to serve on 127.0.0.1:[0-9]+' cat "$work/proxied"
port=$(grep -oE '127.0.0.1:[0-9]+' "$work/proxied")
says '"message":"Hello' curl -s "http://$port/api/v1/namespaces/default/services/fastapi-k8s:80/proxy/"
says 'in the container' kubectl debug "$pod" -i --image busybox -c helper -- sh -c 'sleep 5; echo in the container'
says 'helper' kubectl get pod "$pod" -o 'jsonpath={.status.ephemeralContainerStatuses[*].name}'
says '"status":"ok"' kubectl run once --image busybox --restart Never --rm -i -- sh -c 'sleep 5; wget -qO- http://fastapi-k8s/health'
says 'from input' kubectl run typed --image busybox --restart Never --rm -i -- sh <<< 'echo from input'
refuses 130 '' timeout --preserve-status -s INT 2 "$KUBECTL" attach "$pod" -c fastapi-k8s
eventually 'fastapi-k8s-[a-z0-9]+-[a-z0-9]+ +[0-9]+m +[0-9]+Mi' kubectl top pod
eventually 'docker-desktop +[0-9]+m' kubectl top node

# Changes.
says 'image updated' kubectl set image deployment/redis redis=redis:8
says 'successfully rolled out' kubectl rollout status deployment/redis
says '^2 ' kubectl rollout history deployment/redis
says 'rolled back' kubectl rollout undo deployment/redis
says 'successfully rolled out' kubectl rollout status deployment/redis
says 'redis:7' kubectl get deployment redis -o 'jsonpath={.spec.template.spec.containers[0].image}'
says 'scaled' kubectl scale deployment/fastapi-k8s --replicas 2
eventually '2/2' kubectl get deployment fastapi-k8s
says 'restarted' kubectl rollout restart deployment/fastapi-k8s
says 'successfully rolled out' kubectl rollout status deployment/fastapi-k8s
says 'autoscaled' kubectl autoscale deployment fastapi-k8s --cpu-percent 50 --min 2 --max 6
eventually '[0-9]+%/50%' kubectl get hpa fastapi-k8s
says 'ScalingActive +True' kubectl describe hpa fastapi-k8s
says 'labeled' kubectl label pod "$(first_pod app=redis)" tier=data
says 'annotated' kubectl annotate deployment redis note=checked
says 'patched' kubectl patch service redis -p '{"metadata":{"labels":{"patched":"yes"}}}'
says 'deployment.apps/fastapi-k8s (serverside-applied|serverside applied)' kubectl apply --server-side --force-conflicts -f "$manifests/k8s.yaml"
says 'created' kubectl create configmap settings --from-literal a=1
says 'replaced' kubectl replace -f - <<< '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings"},"data":{"a":"before"}}'
says 'edited' env EDITOR="sed -i s/before/after/" "$KUBECTL" edit configmap settings
says '^after$' kubectl get configmap settings -o 'jsonpath={.data.a}{"\n"}'
says 'created' kubectl create job once --image busybox -- sh -c 'echo done'
says 'condition met' kubectl wait --for=condition=Complete job/once --timeout 30s
says '^done$' kubectl logs job/once
says 'exposed' kubectl expose deployment redis --name redis-too --port 6379
says 'serviceaccount/robot created' kubectl create serviceaccount robot
says '^[^.]+\.[^.]+\.[^.]+$' kubectl create token robot

# The node.
says 'cordoned' kubectl cordon docker-desktop
says 'SchedulingDisabled' kubectl get nodes
says 'drained' kubectl drain docker-desktop --ignore-daemonsets --delete-emptydir-data --force --timeout 60s
eventually 'Pending' kubectl get pods -l app=redis
says 'uncordoned' kubectl uncordon docker-desktop
says 'successfully rolled out' kubectl rollout status deployment/fastapi-k8s
says 'tainted' kubectl taint node docker-desktop key=value:NoSchedule
says 'untainted' kubectl taint node docker-desktop key=value:NoSchedule-

# A kind of one's own.
says 'created' kubectl apply -f - << 'CRD'
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crons.example.dev}
spec:
  group: example.dev
  scope: Namespaced
  names: {plural: crons, singular: cron, kind: Cron}
  versions:
    - name: v1
      served: true
      storage: true
      additionalPrinterColumns: [{name: Spec, type: string, jsonPath: .spec.cron}]
      schema:
        openAPIV3Schema:
          type: object
          properties: {spec: {type: object, required: [cron], properties: {cron: {type: string, description: When it runs.}}}}
CRD
says 'condition met' kubectl wait --for=condition=Established crd/crons.example.dev --timeout 20s
eventually 'When it runs' kubectl explain crons.spec.cron
says 'created' kubectl apply -f - <<< '{"apiVersion":"example.dev/v1","kind":"Cron","metadata":{"name":"daily"},"spec":{"cron":"0 0 * * *"}}'
says 'daily +0 0 \* \* \*' kubectl get crons
refuses 1 'spec.cron: Required value|missing required field "cron"' kubectl apply -f - <<< '{"apiVersion":"example.dev/v1","kind":"Cron","metadata":{"name":"none"},"spec":{}}'
refuses 1 'unknown field "spec.wrong"' kubectl apply -f - <<< '{"apiVersion":"example.dev/v1","kind":"Cron","metadata":{"name":"none"},"spec":{"cron":"x","wrong":1}}'

# The end.
refuses 1 'NotFound' kubectl get pod nobody
says 'deleted' kubectl delete -f "$manifests/k8s.yaml" -f "$manifests/redis.yaml"
says 'deleted' kubectl delete crd crons.example.dev
says 'created' kubectl create namespace short
says 'deleted' kubectl delete namespace short --timeout 60s
eventually 'No resources found' kubectl get pods -l app=fastapi-k8s
exit 0
