#!/usr/bin/env bash
# Prints the kubectl session of the README as it happens: each command after a `$`, then what it says.
# Usage: tour.sh (KUBECTL names the program, KUBECONFIG a fresh `ksim serve`, the current folder the repository).
set -u
kubectl() { "$KUBECTL" "$@"; }
show() { echo "\$ $1"; eval "$1" 2>&1; }
echoed() { show "$1"; echo; }

show 'kubectl diff -f k8s/k8s.yaml | grep -c ^+'
show 'kubectl apply -f k8s/k8s.yaml -f k8s/redis.yaml'
echo '$ kubectl get pods -l app=redis -w'
timeout 9 "$KUBECTL" get pods -l app=redis -w
show 'kubectl rollout status deployment/fastapi-k8s'
show 'kubectl wait --for=condition=Available deployment --all'
show 'kubectl get deployments,pods,services'
show 'kubectl describe deployment redis | tail -11'
show 'kubectl logs deployment/fastapi-k8s --tail 2'
echoed "kubectl exec deployment/fastapi-k8s -- sh -c 'hostname; curl -s http://fastapi-k8s/visits'"
show 'kubectl run once --image busybox --restart Never --rm -i -- nslookup fastapi-k8s'
echo '$ kubectl port-forward service/fastapi-k8s 8080:80 &'
"$KUBECTL" port-forward service/fastapi-k8s 8080:80 > /dev/null &
sleep 1
echoed 'curl localhost:8080/ -s'
echoed 'curl localhost:8080/crash -s -X POST'
kill %1
sleep 4
show 'kubectl get pods -l app=fastapi-k8s'
crashed=$(kubectl get pods -l app=fastapi-k8s --no-headers | awk '$4 != "0" {print $1}' | head -1)
show "kubectl logs $crashed --previous --tail 1"
show "kubectl debug $crashed -i --image busybox -c helper -- sh -c 'sleep 2; hostname'"
show "kubectl cp k8s/k8s.yaml $crashed:/tmp/"
show "kubectl exec $crashed -c fastapi-k8s -- head -n 2 /tmp/k8s.yaml"
show 'kubectl events --for deployment/fastapi-k8s'
sleep 15
show 'kubectl top node'
show 'kubectl top pods -l app=redis'
show 'kubectl set image deployment/redis redis=redis:8'
show 'kubectl rollout status deployment/redis'
show 'kubectl rollout undo deployment/redis 2> /dev/null'
show 'kubectl rollout history deployment/redis'
show 'kubectl autoscale deployment fastapi-k8s --cpu 50% --min 2 --max 6'
sleep 32
show 'kubectl get hpa'
show 'kubectl apply --server-side -f k8s/k8s.yaml 2>&1 | head -4'
show 'kubectl apply --server-side --force-conflicts -f k8s/k8s.yaml'
show 'kubectl cordon docker-desktop'
show 'kubectl drain docker-desktop --ignore-daemonsets --force 2>&1 | tail -2'
show 'kubectl get nodes,pods'
show 'kubectl uncordon docker-desktop'
show 'kubectl explain deployment.spec.paused'
show 'kubectl api-resources --api-group batch'
show 'kubectl auth can-i create pods --as jane'
