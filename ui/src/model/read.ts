// Reads a document from wherever it comes: a file, bytes inside the page, lines of a server. Lines are handled as they arrive,
// with a breath between them, so a large file does not freeze the page. What is wrong is said with the line it is in.

import type { Json } from "./delta";
import { Damaged, Run } from "./run";

export const FORMAT = "ksim-view/v1";

/** Collects lines into a run. */
export class Reader {
  run: Run | undefined;
  line = 0;

  /** One line of a document. Throws `Damaged` with the line's number. */
  take(text: string): void {
    this.line += 1;
    if (text.trim() === "") return;
    let value: Json;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw new Damaged(`Line ${this.line} is not JSON: ${(error as Error).message}`);
    }
    try {
      this.value(value);
    } catch (error) {
      if (error instanceof Damaged) throw new Damaged(`Line ${this.line}: ${error.message}`);
      throw new Damaged(`Line ${this.line} does not have the form of ${FORMAT}: ${(error as Error).message}`);
    }
  }

  private value(value: Json): void {
    if (typeof value !== "object" || value === null) throw new Damaged("this is not an object");
    if (!this.run) {
      if (value.format !== FORMAT) throw new Damaged(`this is no ${FORMAT} document (its format is ${JSON.stringify(value.format ?? "not said")})`);
      this.run = new Run(value);
    } else if ("end" in value) {
      this.run.end = Math.max(this.run.end, value.end);
      this.run.verdicts = Array.isArray(value.verdicts) ? value.verdicts : [];
      this.run.complete = true;
    } else this.run.add(value);
  }

  /** The run, once all lines are in. */
  done(): Run {
    if (!this.run) throw new Damaged("This is empty: there is no document in it.");
    if (this.run.steps.length === 0) throw new Damaged("The document holds no step.");
    return this.run;
  }
}

/** Reads a stream of bytes. `heard` is told how many bytes were read. */
export async function readStream(stream: ReadableStream<Uint8Array>, heard?: (bytes: number) => void): Promise<Run> {
  const reader = new Reader();
  const source = stream.getReader();
  const decoder = new TextDecoder();
  let [rest, bytes, told] = [[] as string[], 0, 0];
  for (;;) {
    const { done, value } = await source.read();
    if (value) bytes += value.length;
    let text = value ? decoder.decode(value, { stream: true }) : "";
    let end = text.indexOf("\n");
    while (end >= 0) {
      rest.push(text.slice(0, end));
      reader.take(rest.join(""));
      rest = [];
      text = text.slice(end + 1);
      end = text.indexOf("\n");
    }
    if (text) rest.push(text);
    if (bytes - told > 4e6) heard?.((told = bytes));
    if (done) break;
  }
  const tail = rest.join("");
  if (tail.trim()) reader.take(tail);
  return reader.done();
}

export function readText(text: string): Run {
  const reader = new Reader();
  for (const line of text.split("\n")) reader.take(line);
  return reader.done();
}

/** A file the user chose: plain or gzip. */
export async function readFile(file: Blob, heard?: (bytes: number) => void): Promise<Run> {
  const start = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  if (start[0] === 0x1f && start[1] === 0x8b) return readStream(unzip(file.stream()), heard);
  return readStream(file.stream() as ReadableStream<Uint8Array>, heard);
}

/** What `ksim run --html` puts into the page: base64 of gzip. */
export async function readEmbedded(text: string): Promise<Run> {
  const clean = text.replace(/[\s"]/g, "");
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = Uint8Array.from(atob(clean), (c) => c.charCodeAt(0));
  } catch {
    throw new Damaged("The document inside this page is damaged: it is not base64.");
  }
  return readStream(unzip(new Blob([bytes]).stream()));
}

function unzip(stream: ReadableStream): ReadableStream<Uint8Array> {
  return stream.pipeThrough(new DecompressionStream("gzip") as unknown as ReadableWritablePair<Uint8Array, Uint8Array>);
}
