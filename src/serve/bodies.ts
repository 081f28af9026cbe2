/** Reads the bodies of requests, and writes streams, from and to clients that may be slow. */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { JobError } from './threads.js';

export interface Limits {
  /** For a body or a line of it to arrive, and for a client to take what is written. */
  readonly timeoutMs: number;
  /** Bytes of a body, or of a line of it. */
  readonly maxBytes: number;
}

const NEWLINE = 10;

/**
 * The body of a request, or each line of it that is not empty.
 * @param stopping ends a stream of lines
 * @throws JobError if the body is too long or too slow
 */
export async function* bodies(
  request: IncomingMessage,
  isLines: boolean,
  limits: Limits,
  stopping: AbortSignal,
): AsyncGenerator<Buffer> {
  const { 'content-length': length, 'content-encoding': encoding = 'identity' } = request.headers;
  if (encoding !== 'identity') throw new JobError(415, `bodies in ${encoding} are not read`);
  if (!isLines && Number(length) > limits.maxBytes) throw tooLong(limits);
  // not `for await`, which would destroy the connection at the first error
  const chunks = request[Symbol.asyncIterator]();
  let parts: Buffer[] = [];
  let size = 0;
  const take = (): Buffer => {
    const all = Buffer.concat(parts);
    parts = [];
    size = 0;
    return all;
  };
  const add = (part: Buffer): void => {
    parts.push(part);
    size += part.length;
    if (size > limits.maxBytes) throw tooLong(limits);
  };
  for (let late = performance.now() + limits.timeoutMs; ; ) {
    const read = await before(late, chunks.next(), isLines ? stopping : undefined);
    if (read === undefined) return;
    if (read.done) break;
    let rest = read.value as Buffer;
    for (let end = rest.indexOf(NEWLINE); isLines && end >= 0; end = rest.indexOf(NEWLINE)) {
      add(rest.subarray(0, end));
      rest = rest.subarray(end + 1);
      const line = take();
      if (!isBlank(line)) yield line;
      late = performance.now() + limits.timeoutMs;
    }
    add(rest);
  }
  const last = take();
  if (!isLines || !isBlank(last)) yield last;
}

function isBlank(line: Buffer): boolean {
  return line.toString().trim() === '';
}

/** @throws JobError if they are not UTF-8 */
export function textOf(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new JobError(400, 'the body is not UTF-8');
  return bytes.toString();
}

function tooLong({ maxBytes }: Limits): JobError {
  return new JobError(413, `a body, or a line of it, may have at most ${maxBytes} bytes`);
}

/** @returns undefined if it was stopped before */
function before<T>(
  late: number,
  promise: Promise<T>,
  stopping: AbortSignal | undefined,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      stopping?.removeEventListener('abort', stop);
    };
    const stop = () => {
      end();
      resolve(undefined);
    };
    const slow = () => {
      end();
      reject(new JobError(408, 'the body came too slowly'));
    };
    const timer = setTimeout(slow, late - performance.now());
    stopping?.addEventListener('abort', stop);
    if (stopping?.aborted) stop();
    promise.finally(end).then(resolve, reject);
  });
}

/** Writes a piece, and waits while the client reads; one that does not read is disconnected. */
export async function write(response: ServerResponse, text: string, { timeoutMs }: Limits): Promise<void> {
  if (response.destroyed || response.write(text)) return;
  await new Promise<void>(resolve => {
    const timer = setTimeout(() => response.destroy(), timeoutMs);
    const done = () => {
      clearTimeout(timer);
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}
