import { constants, readFileSync, readlinkSync } from 'node:fs';

/**
 * The streams a verb may write to; tests pass their own. Results go to `out`, everything else to
 * `err`.
 */
import type { Readable } from 'node:stream';
export interface Io {
  /** Writes to stdout as it is. */
  out(text: string): void;
  /** Writes to stderr as it is. */
  err(text: string): void;
  /** Aborted once nobody reads stdout any more; absent where that cannot be. */
  readonly outClosed?: AbortSignal;
  /**
   * Resolves when little of what was written to stdout waits for its reader; absent where nothing
   * waits.
   */
  drained?(): Promise<void>;
  /** Standard input; absent where there is none. */
  readonly stdin?: Readable;
  /** Whether colour may be used on each stream. */
  readonly color: { readonly out: boolean; readonly err: boolean };
  /** Whether stderr is a terminal that can redraw a line. */
  readonly interactive: boolean;
  /** Columns and rows of the terminal behind stderr, where there is one. */
  readonly columns?: number;
  readonly rows?: number;
  /** Whether the terminal shows letters beyond ASCII; not known means no. */
  readonly unicode?: boolean;
}

/** The part of a `NodeJS.WriteStream` that is used. */
export interface OutputStream {
  readonly fd?: number;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  /** Whether more waits to be written than the stream wants to keep. */
  readonly writableNeedDrain?: boolean;
  write(text: string): unknown;
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown;
  once?(event: 'drain' | 'close', listener: () => void): unknown;
}

/** What of a process decides how it may be written to. */
export interface Terminal {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly stdin?: Readable;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * The process's own streams. Colour needs a terminal and neither `--no-color`, `NO_COLOR`
 * (https://no-color.org: any value but the empty one) nor `TERM=dumb`; a redrawn line needs a
 * terminal outside of `CI`.
 */
export function processIo(terminal: Terminal, noColor: boolean): Io {
  const { stdout, stderr, env } = terminal;
  const plain = noColor || isSet(env.NO_COLOR) || env.TERM === 'dumb';
  const closed = new AbortController();
  return {
    out: writer(
      stdout,
      error => error.code === 'EPIPE',
      'stdout',
      () => closed.abort(),
    ),
    outClosed: closed.signal,
    drained: () => drained(stdout),
    // asked for when it is wanted: it is opened by that
    get stdin() {
      return terminal.stdin;
    },
    // a run does not end because nobody can hear of it
    err: writer(stderr, () => true, 'stderr'),
    color: { out: stdout.isTTY === true && !plain, err: stderr.isTTY === true && !plain },
    interactive: stderr.isTTY === true && !isSet(env.CI) && env.TERM !== 'dumb',
    unicode: isUnicode(env),
    // asked for each time, since windows are resized; a terminal that does not know says 0
    get columns() {
      return stderr.columns || undefined;
    },
    get rows() {
      return stderr.rows || undefined;
    },
  };
}

function drained(stream: OutputStream): Promise<void> {
  return new Promise(resolve => {
    if (!stream.writableNeedDrain || stream.once === undefined) return resolve();
    stream.once('drain', resolve);
    stream.once('close', resolve);
  });
}

/**
 * A reader such as `head` may close its end before everything is written. That takes away the rest
 * of the output, not the work: what is still to be said is dropped, and the exit code stays that of
 * the work.
 */
function writer(
  stream: OutputStream,
  isBearable: (error: NodeJS.ErrnoException) => boolean,
  name: string,
  onClosed = () => {},
): (text: string) => void {
  let open = true;
  const fail = (error: NodeJS.ErrnoException) => {
    // the system does not say which file it is
    if (!isBearable(error)) throw Object.assign(error, { path: name });
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
 * Whether the process was started with `file` closed, as by `>&-`. Node then opens /dev/null in its
 * place, for reading and writing; a shell's `>/dev/null` is for writing alone. Known on Linux only.
 */
export function isClosed(file: number): boolean {
  try {
    const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${file}`, 'utf8'))?.[1] ?? '';
    const isBoth = (Number.parseInt(flags, 8) & 0b11) === constants.O_RDWR;
    return isBoth && readlinkSync(`/proc/self/fd/${file}`) === '/dev/null';
  } catch {
    return false;
  }
}

/**
 * By the locale, in the order of POSIX; the console of Linux and dumb terminals have few letters
 * whatever the locale.
 */
function isUnicode(env: Terminal['env']): boolean {
  if (env.TERM === 'dumb' || env.TERM === 'linux') return false;
  const locale = [env.LC_ALL, env.LC_CTYPE, env.LANG].find(isSet) ?? '';
  return /utf-?8/i.test(locale);
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}
