/**
 * Loaded before the program (`node --import`): sends the process a signal at an exact operation on
 * files, which no outside observer could time. What to do is in this module's own URL; see
 * `AtOperation` in moments.ts.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';
import { isMainThread } from 'node:worker_threads';

type Call = (...args: never[]) => unknown;

const table = fs as unknown as Record<string, Call>;
const { openSync, readFileSync, writeSync } = fs;
const { searchParams } = new URL(import.meta.url);
const signal = (searchParams.get('signal') ?? 'SIGKILL') as NodeJS.Signals;
const after = searchParams.get('after');
const only = new RegExp(searchParams.get('only') ?? '');
const torn = searchParams.has('torn');

/**
 * Operations until the signal; they count once something that `after`, if there is one, matches was
 * written.
 */
let left = Number(searchParams.get('at'));
let counts = after === null;
let done = false;
/** Files opened for writing. */
const names = new Map<number, string>();

function send(operation: string): void {
  done = true;
  writeSync(2, `${signal} at ${operation}\n`);
  process.kill(process.pid, signal);
  waitUntilTaken();
}

/** What a thread needs to note a signal that it has taken. */
const NOTE_MS = 20;

/**
 * The kernel may give the signal to any thread of the process, which on a busy machine can run much
 * later: what follows the operation would be over by then.
 */
function waitUntilTaken(): void {
  const pause = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, NOTE_MS);
  try {
    while (!/^ShdPnd:\s+0+$/m.test(readFileSync('/proc/self/status', 'utf8'))) pause();
  } catch {
    // no Linux
  }
  pause();
}

/**
 * Of the same operation in a row only so many count: one file is written in a hundred parts, and
 * all else would hardly be hit.
 */
const MAX_ALIKE = 2;
let before = '';
let alike = 0;

/** Counts one operation; the signal comes before it, and after what is to be done `first`. */
function reach(operation: string, first = () => {}): void {
  if (!counts || done || !only.test(operation)) return;
  alike = operation === before ? alike + 1 : 1;
  before = operation;
  if (alike > MAX_ALIKE && !searchParams.has('only')) return;
  left -= 1;
  if (left > 0) return;
  first();
  send(operation);
}

function replace(name: string, operation: (...args: never[]) => string): void {
  const original = table[name];
  table[name] = (...args) => {
    reach(`${name} ${operation(...args)}`);
    return original(...args);
  };
}

/** The process's own number is in the names of temporary files. */
function nameOf(path: unknown): string {
  return basename(String(path))
    .replace(/^\.tmp-\d+/, '.tmp-PID')
    .replaceAll(String(process.pid), 'PID');
}

function watchFiles(): void {
  for (const name of ['renameSync', 'linkSync']) replace(name, (_, to) => nameOf(to));
  for (const name of ['mkdirSync', 'rmSync', 'writeFileSync']) replace(name, nameOf);
  for (const name of ['fsyncSync', 'closeSync', 'ftruncateSync'])
    replace(name, file => names.get(file) ?? '');
  table.openSync = (...args) => {
    const [path, flags, mode] = args as unknown as Parameters<typeof openSync>;
    const writes = flags !== 'r' && flags !== undefined && flags !== 0;
    if (writes) reach(`openSync ${nameOf(path)}`);
    const file = openSync(path, flags, mode);
    if (writes) names.set(file, nameOf(path));
    else names.delete(file);
    return file;
  };
  table.writeSync = (...args) => {
    const [file, bytes, from = 0] = args as unknown as [number, Buffer, number?];
    const name = names.get(file);
    // such as what another module of this kind says
    if (name === undefined) return writeSync(...(args as unknown as Parameters<typeof writeSync>));
    beforeWrite(file, name, bytes, from);
    const written = writeSync(file, bytes, from);
    afterWrite(name, bytes);
    return written;
  };
  syncBuiltinESMExports();
}

function beforeWrite(file: number, name: string, bytes: Buffer, from: number): void {
  // what a sweep is about to record says what it has just done
  const [, event] = name === 'journal.jsonl' ? (/"event":"([\w.]+)"/.exec(String(bytes)) ?? []) : [];
  reach(event === undefined ? `writeSync ${name}` : `writeSync ${name} ${event}`, () => {
    if (torn) writeSync(file, bytes, from, (bytes.length - from) >> 1);
  });
}

function afterWrite(name: string, bytes: Buffer): void {
  if (counts || after === null || !new RegExp(after).test(String(bytes))) return;
  counts = true;
  if (left === 0) send(`the end of writeSync ${name}`);
}

if (isMainThread) watchFiles();
