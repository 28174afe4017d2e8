#!/usr/bin/env bash
# Prints the kubectl session of the README as it happens: each command after a `$`, then what it says.
# Usage: tour.sh (KUBECTL names the program, KUBECONFIG a fresh `ksim serve`, the current folder the repository).
set -u
kubectl() { "$KUBECTL" "$@"; }
export -f kubectl 2> /dev/null
show() { echo "\$ $1"; eval "$1" 2>&1; }
pods() { kubectl get pods -l "$1" -o name; }

show 'kubectl version'
show 'kubectl diff -f k8s/k8s.yaml | grep -c ^+'
show 'kubectl apply -f k8s/k8s.yaml -f k8s/redis.yaml'
show 'timeout 4 kubectl get pods -l app=redis -w'
show 'kubectl rollout status deployment/fastapi-k8s'
show 'kubectl wait --for=condition=Available deployment --all'
show 'kubectl get deployments,pods,services'
show 'kubectl describe deployment redis | tail -14'
show 'kubectl logs deployment/fastapi-k8s --tail 2'
show 'kubectl exec deployment/fastapi-k8s -- sh -c '"'"'hostname; curl -s http://redis:6379; echo "exit code $?"; curl -s http://fastapi-k8s/visits'"'"
echo
show 'kubectl exec -it deployment/redis -- redis-cli -a change-me get visits'
show 'kubectl run once --image busybox --restart Never --rm -i -- nslookup fastapi-k8s'
show 'kubectl debug deployment/fastapi-k8s --image busybox -c helper -- sleep 60 || kubectl debug $(pods app=redis) --image busybox -c helper -- sleep 60'
show 'kubectl port-forward service/fastapi-k8s 8080:80 > /dev/null & sleep 1; curl -s localhost:8080/; curl -s -X POST localhost:8080/crash; sleep 3'
echo
kill %1 2> /dev/null
show 'kubectl get pods -l app=fastapi-k8s'
crashed=$(kubectl get pods -l app=fastapi-k8s --no-headers | awk '$4 != "0" {print $1}' | head -1)
show "kubectl logs $crashed --previous --tail 1"
show 'kubectl events --types Warning'
show 'kubectl top node'
show 'kubectl top pods -l app=redis'
show 'kubectl set image deployment/redis redis=redis:8'
show 'kubectl rollout status deployment/redis'
show 'kubectl rollout undo deployment/redis'
show 'kubectl rollout history deployment/redis'
show 'kubectl autoscale deployment fastapi-k8s --cpu 50% --min 2 --max 6'
sleep 45
show 'kubectl get hpa'
show 'kubectl apply --server-side --field-manager me -f k8s/k8s.yaml 2>&1 | head -3'
show 'kubectl cordon docker-desktop'
show 'kubectl drain docker-desktop --ignore-daemonsets --force 2>&1 | tail -3'
show 'kubectl get pods'
show 'kubectl uncordon docker-desktop'
show 'kubectl explain hpa.spec.minReplicas --api-version autoscaling/v2'
show 'kubectl api-resources --api-group batch'
show 'kubectl auth can-i delete nodes --as system:serviceaccount:default:default'
show 'kubectl cp k8s/k8s.yaml '"$crashed"':/tmp/'
