/** The streams of the program. */
import type { Readable } from 'node:stream';
import { printable } from '../../util/words.js';

/** The streams of a verb. Results go to `out` or `data`, everything else to `err`. */
export interface Io {
  /** Text for people on stdout. Control characters other than tabs and newlines are replaced. */
  out(text: string): void;
  /** Output for programs on stdout, such as JSON and CSV: exact, except on a terminal. */
  data(text: string): void;
  /** Text for people on stderr, like `out`. May start with a sequence that redraws lines. */
  err(text: string): void;
  /** Aborted when the reader of stdout closes it; absent if that cannot happen. */
  readonly outClosed?: AbortSignal;
  /** Resolves when stdout's buffer has room; absent if there is no buffer. */
  drained?(): Promise<void>;
  readonly stdin?: Readable;
  readonly color: { readonly out: boolean; readonly err: boolean };
  readonly interactive: boolean;
  readonly columns?: number;
  readonly rows?: number;
  /** True if the terminal shows characters beyond ASCII. Undefined counts as false. */
  readonly unicode?: boolean;
}

/** The part of a `NodeJS.WriteStream` that is used. */
export interface OutputStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  readonly writableNeedDrain?: boolean;
  write(text: string): unknown;
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown;
  once?(event: 'drain' | 'close', listener: () => void): unknown;
}

export interface Terminal {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly stdin?: Readable;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * The streams of a process. Colors need a terminal without `--no-color`, `NO_COLOR`
 * (https://no-color.org: any value but the empty one) and `TERM=dumb`. Redrawn lines need a
 * terminal without `CI` and `TERM=dumb`.
 */
export function processIo(terminal: Terminal, noColor: boolean): Io {
  const { stdout, stderr, env } = terminal;
  const plain = noColor || isSet(env.NO_COLOR) || env.TERM === 'dumb';
  const closed = new AbortController();
  const color = { out: stdout.isTTY === true && !plain, err: stderr.isTTY === true && !plain };
  const toStdout = writer(
    stdout,
    error => error.code === 'EPIPE',
    'stdout',
    () => closed.abort(),
  );
  // a run continues if nobody reads its progress
  const toStderr = writer(stderr, () => true, 'stderr');
  return {
    out: text => toStdout(harmless(text, color.out)),
    data: text => toStdout(stdout.isTTY ? harmless(text, color.out) : text),
    outClosed: closed.signal,
    drained: () => drained(stdout),
    // opened on first use
    get stdin() {
      return terminal.stdin;
    },
    err: text => toStderr(harmless(text, color.err)),
    color,
    interactive: stderr.isTTY === true && !isSet(env.CI) && env.TERM !== 'dumb',
    unicode: isUnicode(env),
    // read again each time, since windows are resized; 0 means an unknown size
    get columns() {
      return stderr.columns || undefined;
    },
    get rows() {
      return stderr.rows || undefined;
    },
  };
}

const ESC = '\\u001b\\[';
/** Erases the lines of a block; at the start of a text. */
const ERASURE = new RegExp(`^(?:${ESC}\\d+A\\r${ESC}J)?`);
const COLORS = new RegExp(`(${ESC}(?:[12]|22|3\\d)m)`);

/** Replaces control characters that cellrun did not write itself. */
function harmless(text: string, isColored: boolean): string {
  const erasure = ERASURE.exec(text)?.[0] ?? '';
  const rest = text.slice(erasure.length);
  const parts = isColored ? rest.split(COLORS) : [rest];
  // every second part is a color
  return erasure + parts.map((part, i) => (i % 2 === 1 ? part : shown(part))).join('');
}

function shown(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

function drained(stream: OutputStream): Promise<void> {
  return new Promise(resolve => {
    if (!stream.writableNeedDrain || stream.once === undefined) return resolve();
    stream.once('drain', resolve);
    stream.once('close', resolve);
  });
}

/**
 * A reader such as `head` may close the stream early. The rest is dropped, and the work continues.
 */
function writer(
  stream: OutputStream,
  isIgnored: (error: NodeJS.ErrnoException) => boolean,
  name: string,
  onClosed = () => {},
): (text: string) => void {
  let open = true;
  const fail = (error: NodeJS.ErrnoException) => {
    // the system error has no path
    if (!isIgnored(error)) throw Object.assign(error, { path: name });
    open = false;
    onClosed();
  };
  stream.on('error', fail);
  return text => {
    if (!open) return;
    try {
      stream.write(text);
    } catch (error) {
      fail(error as NodeJS.ErrnoException);
    }
  };
}

/**
 * Depends on the locale, by the precedence of POSIX. Linux's console and dumb terminals have few
 * characters in any locale.
 */
function isUnicode(env: Terminal['env']): boolean {
  if (env.TERM === 'dumb' || env.TERM === 'linux') return false;
  const locale = [env.LC_ALL, env.LC_CTYPE, env.LANG].find(isSet) ?? '';
  return /utf-?8/i.test(locale);
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}
