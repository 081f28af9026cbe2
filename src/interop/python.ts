/** Runs an exported model with Python, if it is installed with the package that the model needs. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { damagedError } from '../util/errors.js';
import { packageRoot } from '../util/root.js';
import type { Files } from './predictor.js';
import type { InputTensor } from './verify.js';

/** The folder of the scripts of a format, which the package contains as they are. */
export function scriptsOf(format: 'onnx' | 'pytorch'): string {
  return join(packageRoot, 'src', 'interop', format);
}

export interface Python {
  /** Of the package. */
  readonly version: string;
  /**
   * Sends a request, and returns what the script answers.
   * @throws UserError (exit 5) if the script has failed
   */
  ask(request: object): Promise<unknown>;
  close(): void;
}

/**
 * Starts `verify.py` of a format, which runs what is in a folder. It writes the version of the
 * package, and an answer to each line. Returns why not, if it cannot be started.
 */
export async function startPython(format: 'onnx' | 'pytorch', files: Files): Promise<Python | string> {
  const folder = mkdtempSync(join(tmpdir(), 'cellrun-'));
  for (const [name, content] of files) writeFileSync(join(folder, name), Buffer.concat(content));
  const python = spawn('python3', [join(scriptsOf(format), 'verify.py'), folder]);
  let problem = '';
  python.on('error', error => {
    problem = error.message;
  });
  python.stderr.setEncoding('utf8').on('data', (text: string) => {
    problem += text;
  });
  const closed = new Promise(resolve => python.once('close', resolve));
  // it has ended if a line cannot be written
  python.stdin.on('error', () => {});
  const lines = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    return done ? undefined : (JSON.parse(value) as unknown);
  };
  const close = () => {
    python.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  const version = await answer();
  const lastLine = () => problem.trimEnd().split('\n').at(-1) ?? '';
  if (version === undefined) {
    await closed;
    close();
    return lastLine();
  }
  const ask = async (request: object) => {
    python.stdin.write(`${JSON.stringify(request)}\n`);
    const found = await answer();
    if (found !== undefined) return found;
    await closed;
    throw damagedError('export/failed', 'the exported model cannot be run', { got: lastLine() });
  };
  return { version: String(version), ask, close };
}

type StoredTensor = readonly [type: InputTensor['type'], shape: readonly number[], base64: string];

/** As a script reads them. */
export function storedTensors(tensors: Readonly<Record<string, InputTensor>>): Record<string, StoredTensor> {
  const stored = ({ type, shape, data }: InputTensor): StoredTensor => {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    return [type, shape, bytes.toString('base64')];
  };
  return Object.fromEntries(Object.entries(tensors).map(([name, one]) => [name, stored(one)]));
}

/** A tensor that a script has written. */
export function loadedTensor([type, shape, base64]: StoredTensor): InputTensor {
  // aligned, unlike the buffer itself
  const { buffer } = Uint8Array.from(Buffer.from(base64, 'base64'));
  return type === 'int64'
    ? { type, shape, data: new BigInt64Array(buffer) }
    : { type, shape, data: new Float32Array(buffer) };
}
