// Serves the built page as `ksim serve` does, with its policy; what is not a file of the page goes to `other` (a server's API).

import { existsSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";

export const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TYPES: Record<string, string> = { html: "text/html; charset=utf-8", js: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8" };
const PREFIX = "/ksim/ui/";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export async function serve(other?: Handler): Promise<{ url: string; server: Server }> {
  const server = createServer((request, response) => {
    const path = (request.url ?? "").split("?")[0];
    const name = path === PREFIX ? "index.html" : path.slice(PREFIX.length);
    if (path.startsWith(PREFIX) && existsSync(DIST + name)) {
      response.writeHead(200, { "content-type": TYPES[name.split(".").pop() ?? ""], "content-security-policy": POLICY });
      response.end(readFileSync(DIST + name));
    } else if (other) other(request, response);
    else response.writeHead(404).end();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  return { url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}${PREFIX}`, server };
}
