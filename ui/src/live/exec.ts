// A command in a container, as `kubectl exec` runs it: a WebSocket to the pod's `exec` subresource, with numbered channels (1 output,
// 2 errors, 3 the outcome). A browser cannot set a header on it, so the token goes as a protocol of its own, as Kubernetes has it.

import type { Json } from "../model/delta";

export const PROTOCOL = "v5.channel.k8s.io";
const BEARER = "base64url.bearer.authorization.k8s.io.";

export interface Ran {
  /** Output and errors as they came. */
  text: string;
  /** The exit code; `undefined` when the command could not be run, then `text` says why. */
  code: number | undefined;
}

export function execPath(namespace: string, pod: string, container: string, command: string[]): string {
  const query = new URLSearchParams({ stdout: "true", stderr: "true" });
  if (container) query.set("container", container);
  for (const word of command) query.append("command", word);
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/exec?${query}`;
}

/** The token as a protocol: base64 for addresses, without padding. */
export function bearer(token: string): string {
  const bytes = String.fromCharCode(...new TextEncoder().encode(token));
  return BEARER + btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** What the outcome's Status says of the exit code. */
export function codeOf(status: Json): number | undefined {
  if (status?.status === "Success") return 0;
  const cause = (status?.details?.causes ?? []).find((c: Json) => c.reason === "ExitCode");
  return cause ? Number(cause.message) : undefined;
}

/** Runs a command; `said` is called with everything that it has written so far. */
export function exec(path: string, token: string, said: (text: string) => void): Promise<Ran> {
  return new Promise((ended) => {
    const socket = new WebSocket(path.replace(/^/, location.origin.replace(/^http/, "ws")), [PROTOCOL, bearer(token)]);
    socket.binaryType = "arraybuffer";
    const decoders = new Map([1, 2].map((channel) => [channel, new TextDecoder()]));
    let text = "";
    let ran: Ran | undefined;
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
      const bytes = new Uint8Array(data);
      const channel = bytes[0];
      const decoder = decoders.get(channel);
      if (decoder) {
        text += decoder.decode(bytes.subarray(1), { stream: true });
        said(text);
      } else if (channel === 3) {
        const status: Json = JSON.parse(new TextDecoder().decode(bytes.subarray(1)));
        const code = codeOf(status);
        ran = { text: code === undefined ? status.message : text, code };
        socket.close();
      }
    };
    socket.onclose = () => ended(ran ?? { text: text || "the server closed the connection before the command was over", code: undefined });
  });
}
