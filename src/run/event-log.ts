/**
 * `log.jsonl`: one event per line, written to the file before `emit` returns, so that a crash of
 * the process loses nothing. Byte layout of a line: `{"level":…,"time":…,"v":…,"seq":…,"event":…,`
 * the event's fields in the order given, `}\n`.
 */
import { createHash } from 'node:crypto';
import { type Logger, pino } from 'pino';
import { EVENT_VERSION, type RunEvent } from './events.js';
import { readBytes } from './files.js';
import { type JsonObject, spellNonFinite } from './json.js';
import { LogFile } from './lines.js';

export class EventLog {
  private readonly logger: Logger;
  private readonly hash = createHash('sha256');

  private constructor(
    private readonly file: LogFile,
    private seq: number,
    private readonly clock: () => Date,
  ) {
    this.logger = pino(
      {
        // no process id and host: they would make equal runs differ
        base: undefined,
        timestamp: () => `,"time":"${this.clock().toISOString()}"`,
        formatters: { level: label => ({ level: label }) },
      },
      // pino's own destination buffers failed writes and could later insert them into another line
      {
        write: (line: string) => {
          file.write(line);
          this.hash.update(line);
        },
      },
    );
  }

  /** Opens `path` for appending after `seq` complete lines. `clock` provides the time stamps. */
  static open(path: string, seq = 0, clock = () => new Date()): EventLog {
    const log = new EventLog(LogFile.open(path), seq, clock);
    if (seq > 0) log.hash.update(readBytes(path));
    return log;
  }

  /** A number that is not finite becomes null beside `<field>_nonfinite`, and the level `warn`. */
  emit(event: RunEvent): void {
    const fields = spellNonFinite(event);
    this.logger[levelOf(event, fields)]({ v: EVENT_VERSION, seq: this.seq, ...fields });
    this.seq += 1;
  }

  /** Digest of all events so far: the output of `head -n RECORDS log.jsonl | sha256sum`. */
  digest(): { readonly records: number; readonly sha256: string } {
    return { records: this.seq, sha256: this.hash.copy().digest('hex') };
  }

  /** So that no file saved later can be newer than the log after a crash. */
  flush(): void {
    this.file.flush();
  }

  close(): void {
    this.file.close();
  }
}

function levelOf(event: RunEvent, spelled: JsonObject): 'info' | 'warn' | 'error' {
  if (event.event === 'run.end') {
    if (event.status === 'failed' || event.status === 'diverged') return 'error';
    return event.status === 'interrupted' ? 'warn' : 'info';
  }
  if (event.event === 'gate' && event.verdict !== 'passed') return 'error';
  const nonFinite = Object.keys(spelled).some(key => key.endsWith('_nonfinite'));
  return event.event === 'warning' || nonFinite ? 'warn' : 'info';
}
