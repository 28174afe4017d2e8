// A large run made up by rule: so many pods, so many steps, states and deltas of the size real ones have.

const stamp = (n: number) => new Date(1.7e12 + n * 1000).toISOString().replace(/\.\d+Z/, "Z");

function podOf(i: number): object {
  const name = `web-6dbd959466-${String(i).padStart(5, "0")}`;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      creationTimestamp: stamp(0),
      generateName: "web-6dbd959466-",
      labels: { app: "web", "pod-template-hash": "6dbd959466" },
      name,
      namespace: "default",
      ownerReferences: [{ apiVersion: "apps/v1", controller: true, kind: "ReplicaSet", name: "web-6dbd959466", uid: "rs" }],
      resourceVersion: String(i),
      uid: `pod-${i}`,
    },
    spec: {
      containers: [
        {
          image: "web:1",
          name: "web",
          ports: [{ containerPort: 8000, protocol: "TCP" }],
          readinessProbe: { httpGet: { path: "/", port: 8000 }, periodSeconds: 5 },
          resources: { requests: { cpu: "50m", memory: "64Mi" } },
        },
      ],
      restartPolicy: "Always",
      tolerations: [{ effect: "NoExecute", key: "node.kubernetes.io/not-ready", operator: "Exists", tolerationSeconds: 300 }],
    },
    status: { phase: "Pending", qosClass: "Burstable" },
  };
}

/** The lines of the document, part by part. */
export function* large(pods: number, steps: number): Generator<string> {
  const keys: string[][] = [
    ["Deployment", "apps/v1", "default", "web"],
    ["ReplicaSet", "apps/v1", "default", "web-6dbd959466"],
  ];
  for (let n = 0; n < 10; n++) keys.push(["Node", "v1", "", `node-${n}`]);
  for (let i = 0; i < pods; i++) keys.push(["Pod", "v1", "default", `web-6dbd959466-${String(i).padStart(5, "0")}`]);
  const components = [
    "user",
    "kube-controller-manager",
    "deployment-controller",
    "replicaset-controller",
    "kube-scheduler",
    "kubelet",
    ...Array.from({ length: 10 }, (_, n) => `kubelet/node-${n}`),
  ];
  const watches = [
    ["kube-controller-manager", "Pod", ""],
    ["kube-scheduler", "Pod", ""],
  ];
  yield JSON.stringify({ format: "ksim-view/v1", name: "large", about: "", seed: 1, server: "v1.36.2", epoch: 1.7e12, profile: "large" });
  let [at, revision, time] = [0, 1, 0];
  const all: unknown[][] = [];
  const step = (component: number, cause: number, ...rest: unknown[]) => all.push([(time += 37), component, cause, ...rest]) - 1;
  step(0, 0, "a", "kubectl apply -f web.yaml", 3);
  const metadata = (name: string, uid: string, more = {}) => ({ name, namespace: "default", uid, creationTimestamp: stamp(0), ...more });
  step(0, 0, "c", 0, ++revision, 0, { kind: "Deployment", metadata: metadata("web", "dep"), spec: { replicas: pods }, status: {} }, "kubectl");
  step(2, 1, "r", 0, "the new replica set is made first", []);
  step(
    1,
    2,
    "c",
    1,
    ++revision,
    0,
    {
      kind: "ReplicaSet",
      metadata: metadata("web-6dbd959466", "rs", { ownerReferences: [{ kind: "Deployment", name: "web", uid: "dep", controller: true }] }),
      spec: { replicas: pods },
      status: {},
    },
    "kube-controller-manager",
  );
  for (let n = 0; n < 10; n++)
    step(
      5,
      0,
      "c",
      2 + n,
      ++revision,
      0,
      {
        kind: "Node",
        metadata: { name: `node-${n}`, uid: `node-${n}` },
        status: { allocatable: { cpu: "64" }, conditions: [{ type: "Ready", status: "True" }] },
      },
      "kubelet",
    );
  for (let i = 0; i < pods; i++) step(1, 2, "c", 12 + i, ++revision, 0, podOf(i), "kube-controller-manager");
  for (let i = 0; i < pods; i++)
    step(
      4,
      14 + i,
      "c",
      12 + i,
      ++revision,
      1,
      { m: { metadata: { s: { resourceVersion: String(revision) } }, spec: { s: { nodeName: `node-${i % 10}` } } } },
      "kube-scheduler",
    );
  for (let turn = 0; all.length < steps; turn++) {
    for (let i = 0; i < pods && all.length < steps; i++) {
      const on = turn % 2 === 0;
      const cause = all.length - pods;
      const state = on
        ? { running: { startedAt: stamp(turn) } }
        : { waiting: { reason: "CrashLoopBackOff", message: "back-off 10s restarting failed container" } };
      const conditions = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"].map((type) => ({
        lastProbeTime: null,
        lastTransitionTime: stamp(turn),
        observedGeneration: 1,
        status: on ? "True" : "False",
        type,
      }));
      step(
        5,
        cause,
        "c",
        12 + i,
        ++revision,
        1,
        {
          m: {
            metadata: { s: { resourceVersion: String(revision) } },
            status:
              turn === 0
                ? {
                    s: {
                      conditions,
                      containerStatuses: [
                        { containerID: `containerd://${"f".repeat(40)}${i}`, image: "web:1", name: "web", ready: on, restartCount: 0, started: on, state },
                      ],
                      phase: "Running",
                      podIP: `10.0.0.${i % 250}`,
                    },
                  }
                : {
                    m: {
                      conditions: { m: { 2: { s: conditions[2] }, 3: { s: conditions[3] } } },
                      containerStatuses: { m: { 0: { s: { ready: on, restartCount: turn >> 1, started: on, state } } } },
                    },
                  },
          },
        },
        "kubelet",
      );
    }
  }
  const first = { components, keys, watches };
  for (at = 0; at < all.length; at += 5000) {
    const part = all.slice(at, at + 5000);
    const deliveries = part
      .filter((s) => s[3] === "c")
      .flatMap((s) => [
        [(s[0] as number) + 900, 0, s[5]],
        [(s[0] as number) + 900, 1, s[5]],
      ]);
    yield JSON.stringify({ from: at, ...(at === 0 ? first : { components: [], keys: [], watches: [] }), steps: part, deliveries });
  }
  yield JSON.stringify({ end: time, verdicts: [] });
}
