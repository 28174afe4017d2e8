#!/bin/sh
# Asks the deployed application over HTTP and says what is wrong. URL is where its Service answers.
# /crash and /ready/disable are left out: behind a Service they would meet any one of the replicas.
set -u
URL=${URL:-http://localhost}
failed=0

check() { # expected-statuses method path [body]
    status=$(curl -s -o /dev/null -m 5 -w '%{http_code}' -X "$2" -H 'Content-Type: application/json' ${4:+-d "$4"} "$URL$3")
    case " $1 " in
        *" $status "*) echo "ok   $2 $3 $status" ;;
        *) echo "FAIL $2 $3: $status, expected $1"; failed=1 ;;
    esac
}

check 200 GET /
check 200 GET /health
check 200 GET /ready
check 200 GET /info
check 200 GET /config
check 200 GET '/stress?seconds=0'
check 422 GET '/stress?seconds=x'
check 404 GET /nothing
# With Redis these answer; without it they say so.
check '200 503' GET /visits
check '200 503' POST /kv/e2e '{"value":"x"}'
check '200 503' GET /kv/e2e
check '200 503' POST /login '{"username":"e2e"}'
check 401 GET /me
exit $failed
