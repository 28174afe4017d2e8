// The prompt's words and what belongs to running a command, without a server.

import { describe, expect, it } from "vitest";
import { bearer, codeOf, execPath } from "./exec";
import { parse, split } from "./prompt";

describe("the prompt", () => {
  it("splits a line as a shell does", () => {
    expect(split(`exec web -- sh -c 'echo "a  b"' "x\\"y" a\\ b ""`)).toEqual(["exec", "web", "--", "sh", "-c", 'echo "a  b"', 'x"y', "a b", ""]);
    expect(split("   ")).toEqual([]);
    expect(() => split("echo 'a")).toThrow("a ' is not closed");
  });

  it("keeps what comes after two dashes for the command", () => {
    const words = parse("kubectl exec -n shop web-1 -c app -- ls -n /tmp");
    expect(words).toMatchObject({ verb: "exec", rest: ["web-1"], namespace: "shop", flags: { c: "app" }, command: ["ls", "-n", "/tmp"] });
    expect(parse("get pods -A").command).toEqual([]);
  });
});

describe("a command in a container", () => {
  it("is asked for by its words, each as it is", () => {
    expect(execPath("shop", "web-1", "app", ["sh", "-c", "echo a&b"])).toBe(
      "/api/v1/namespaces/shop/pods/web-1/exec?stdout=true&stderr=true&container=app&command=sh&command=-c&command=echo+a%26b",
    );
  });

  it("brings the token as a protocol that is a word of the protocol's alphabet", () => {
    expect(bearer("secret-token")).toBe("base64url.bearer.authorization.k8s.io.c2VjcmV0LXRva2Vu");
    expect(bearer("ÿ>?~~")).toMatch(/^[\w.-]+$/);
  });

  it("knows the exit code from the outcome", () => {
    expect(codeOf({ status: "Success" })).toBe(0);
    expect(codeOf({ status: "Failure", reason: "NonZeroExitCode", details: { causes: [{ reason: "ExitCode", message: "3" }] } })).toBe(3);
    expect(codeOf({ status: "Failure", reason: "InternalError", message: "no" })).toBeUndefined();
  });
});
