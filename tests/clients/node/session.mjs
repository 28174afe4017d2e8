// A session with @kubernetes/client-node: create, informer, watch, patch, logs, exec, port-forward, rollout, delete.
// Usage: node session.mjs (KUBECONFIG names the cluster). Ends with 0 when everything was as a real cluster does it.
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { PassThrough } from 'node:stream';
import * as k8s from '@kubernetes/client-node';

const namespace = 'node-client';
const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);
const objects = k8s.KubernetesObjectApi.makeApiClient(config);

const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        containers: [{
          name: 'web',
          image: 'fastapi-k8s:latest',
          imagePullPolicy: 'Never',
          ports: [{ containerPort: 8000 }],
          readinessProbe: { httpGet: { path: '/ready', port: 8000 }, periodSeconds: 1 },
        }],
      },
    },
  },
};

const sleep = (millis) => new Promise((done) => setTimeout(done, millis));

async function until(what, found, seconds = 60) {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    const value = await found();
    if (value) return value;
    await sleep(100);
  }
  assert.fail(`waited ${seconds} s for ${what}`);
}

async function refused(code, call) {
  await assert.rejects(call, (error) => {
    assert.equal(error.code, code, String(error));
    return true;
  });
}

async function output(stream) {
  let text = '';
  for await (const piece of stream) text += piece;
  return text;
}

/** Runs a command in a container; its output, and the Status it ended with. */
async function run(pod, command, input) {
  const [out, err] = [new PassThrough(), new PassThrough()];
  const texts = Promise.all([output(out), output(err)]);
  const ended = new Promise((done, failed) => {
    new k8s.Exec(config).exec(namespace, pod, 'web', command, out, err, input ?? null, false, done).catch(failed);
  });
  const status = await ended;
  out.end();
  err.end();
  const [stdout, stderr] = await texts;
  return { status, stdout, stderr };
}

async function followLogs(pod) {
  const stream = new PassThrough();
  const heard = new Promise((done) => {
    let text = '';
    stream.on('data', (piece) => {
      text += piece;
      if (text.includes('Uvicorn running')) done(text);
    });
  });
  const controller = await new k8s.Log(config).log(namespace, pod, 'web', stream, { follow: true });
  await heard;
  controller.abort();
}

async function execute(pod) {
  const named = await run(pod, ['hostname']);
  assert.equal(named.stdout.trim(), pod);
  assert.equal(named.status.status, 'Success');
  const failed = await run(pod, ['sh', '-c', 'echo out; echo err >&2; exit 3']);
  assert.deepEqual([failed.stdout, failed.stderr], ['out\n', 'err\n']);
  assert.equal(failed.status.details.causes[0].message, '3');
  const input = new PassThrough();
  input.end('echo from input\nexit 4\n');
  const shell = await run(pod, ['sh'], input);
  assert.equal(shell.stdout, 'from input\n');
  assert.equal(shell.status.details.causes[0].message, '4');
}

async function forward(pod) {
  const forwarder = new k8s.PortForward(config);
  const server = net.createServer((socket) => {
    forwarder.portForward(namespace, pod, [8000], socket, null, socket);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const body = await new Promise((done, failed) => {
    http.get({ port: server.address().port, path: '/health', agent: false }, (answer) => output(answer).then(done)).on('error', failed);
  });
  assert.equal(JSON.parse(body).status, 'ok');
  server.close();
}

async function patch() {
  const options = (type) => k8s.setHeaderOptions('Content-Type', type);
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'settings' }, data: { a: '1', b: '2' } } });
  const merged = await core.patchNamespacedConfigMap(
    { name: 'settings', namespace, body: { data: { a: null, c: '3' } } }, options(k8s.PatchStrategy.MergePatch));
  assert.deepEqual(merged.data, { b: '2', c: '3' });
  const replaced = await core.patchNamespacedConfigMap(
    { name: 'settings', namespace, body: [{ op: 'replace', path: '/data/b', value: '4' }] }, options(k8s.PatchStrategy.JsonPatch));
  assert.equal(replaced.data.b, '4');
  const applied = await apps.patchNamespacedDeployment(
    { name: 'web', namespace, fieldManager: 'node', force: true,
      body: { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, spec: { replicas: 3 } } },
    options(k8s.PatchStrategy.ServerSideApply));
  assert.equal(applied.spec.replicas, 3);
  await until('three replicas', async () => (await apps.readNamespacedDeployment({ name: 'web', namespace })).status.readyReplicas === 3);
}

async function rollOut() {
  await apps.patchNamespacedDeployment(
    { name: 'web', namespace,
      body: { spec: { template: { spec: { containers: [{ name: 'web', env: [{ name: 'APP_NAME', value: 'second' }] }] } } } } },
    k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.StrategicMergePatch));
  await until('the rollout', async () => {
    const { metadata, status } = await apps.readNamespacedDeployment({ name: 'web', namespace });
    return status.observedGeneration === metadata.generation && status.updatedReplicas === 3 && status.replicas === 3 && status.readyReplicas === 3;
  });
}

async function main() {
  assert.equal((await config.makeApiClient(k8s.VersionApi).getCode()).major, '1');
  await core.createNamespace({ body: { metadata: { name: namespace } } });
  await refused(409, core.createNamespace({ body: { metadata: { name: namespace } } }));
  await refused(404, core.readNamespacedPod({ name: 'nobody', namespace }));

  const seen = { add: new Set(), update: 0, delete: new Set() };
  const list = () => core.listNamespacedPod({ namespace });
  const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/pods`, list);
  informer.on('add', (pod) => seen.add.add(pod.metadata.name));
  informer.on('update', () => { seen.update += 1; });
  informer.on('delete', (pod) => seen.delete.add(pod.metadata.name));
  informer.on('error', (error) => { throw error; });
  await informer.start();

  await objects.create(deployment);
  await until('two ready replicas', async () => (await apps.readNamespacedDeployment({ name: 'web', namespace })).status.readyReplicas === 2);
  const pods = (await core.listNamespacedPod({ namespace, labelSelector: 'app=web' })).items.map((pod) => pod.metadata.name);
  assert.ok(pods.every((pod) => seen.add.has(pod)), 'the informer has seen every pod');
  assert.ok(seen.update > 0, 'and their changes');

  await followLogs(pods[0]);
  await execute(pods[0]);
  await forward(pods[0]);
  await patch();
  await rollOut();
  await objects.delete(deployment, undefined, undefined, undefined, undefined, 'Foreground');
  await until('all pods to be reported deleted', () => [...seen.add].every((pod) => seen.delete.has(pod)));
  await core.deleteNamespace({ name: namespace });
  await until('the namespace to go', async () => {
    try {
      await core.readNamespace({ name: namespace });
      return false;
    } catch (error) {
      return error.code === 404;
    }
  });
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
