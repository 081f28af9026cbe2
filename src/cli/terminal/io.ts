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
  /** Lines for programs on stderr: exact; absent on a terminal. */
  readonly log?: ((line: string) => void) | undefined;
  /** Aborted when the reader of stdout closes it; absent if that cannot happen. */
  readonly outClosed?: AbortSignal;
  /** Resolves when stdout's buffer has room; absent if there is no buffer. */
  drained?(): Promise<void>;
  readonly stdin?: Readable | undefined;
  readonly color: { readonly out: boolean; readonly err: boolean };
  readonly interactive: boolean;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  /** True if the terminal shows characters beyond ASCII. Undefined counts as false. */
  readonly unicode?: boolean;
}

/** The part of a `NodeJS.WriteStream` that is used. */
export interface OutputStream {
  readonly isTTY?: boolean;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  readonly writableNeedDrain?: boolean;
  write(text: string): unknown;
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown;
  once?(event: 'drain' | 'close', listener: () => void): unknown;
}

export interface Terminal {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly stdin?: Readable | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * The streams of a process. Colors need a terminal without `--no-color`, `NO_COLOR`
 * (https://no-color.org: any value but the empty one) and `TERM=dumb`. Redrawn lines need a
 * terminal without `CI` and `TERM=dumb`.
 */
export function processIo(terminal: Terminal, noColor: boolean): Io {
  const { stdout, stderr, env } = terminal;
  const isDumb = env.TERM === 'dumb';
  const isColored = ({ isTTY }: OutputStream) => isTTY === true && !noColor && !env.NO_COLOR && !isDumb;
  const color = { out: isColored(stdout), err: isColored(stderr) };
  const closed = new AbortController();
  // a reader such as `head` may close stdout early: the rest is dropped, and the work continues
  stdout.on('error', error => {
    // the system error has no path
    if (error.code !== 'EPIPE') throw Object.assign(error, { path: 'stdout' });
    closed.abort();
  });
  // a run continues if nobody reads its progress
  stderr.on('error', () => {});
  const print = (text: string): void => {
    if (!closed.signal.aborted) stdout.write(text);
  };
  return {
    out: text => print(harmless(text, color.out)),
    data: text => print(stdout.isTTY ? harmless(text, color.out) : text),
    err: text => void stderr.write(harmless(text, color.err)),
    ...(!stderr.isTTY && { log: line => void stderr.write(line) }),
    outClosed: closed.signal,
    drained: () =>
      new Promise(resolve => {
        if (!stdout.writableNeedDrain || stdout.once === undefined) return resolve();
        for (const event of ['drain', 'close'] as const) stdout.once(event, resolve);
      }),
    // opened on first use
    get stdin() {
      return terminal.stdin;
    },
    color,
    interactive: stderr.isTTY === true && !env.CI && !isDumb,
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
  const shown = (part: string) => part.split('\n').map(printable).join('\n');
  // every second part is a color
  const parts = isColored ? rest.split(COLORS) : [rest];
  return erasure + parts.map((part, i) => (i % 2 === 1 ? part : shown(part))).join('');
}

/**
 * Depends on the locale, by the precedence of POSIX. Linux's console and dumb terminals have few
 * characters in any locale.
 */
function isUnicode({ TERM, LC_ALL, LC_CTYPE, LANG }: Terminal['env']): boolean {
  return TERM !== 'dumb' && TERM !== 'linux' && /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || '');
}
