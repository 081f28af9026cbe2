/**
 * `log.jsonl`: one event a line, written through to the file before `emit` returns, so that a crash
 * loses nothing. Byte layout of a line: `{"level":…,"time":…,"v":…,"seq":…,"event":…,` the event's
 * fields in the order given, `}\n`.
 */
import { createHash } from 'node:crypto';
import { type Logger, pino } from 'pino';
import { type JsonObject, spellNonFinite } from '../files/json.js';
import { withFile } from '../files/opened-file.js';
import { EVENT_VERSION, type RunEvent } from './events.js';
import { LogFile } from './log-file.js';

export interface LogOptions {
  /** The number of the next event. */
  readonly seq?: number;
  readonly clock?: () => Date;
}

/** The code of the warning that the log was put back. */
const LOG_RESTORED = 'log/restored';

export class EventLog {
  private readonly logger: Logger;
  private wasPutBack = false;
  private readonly hash = createHash('sha256');

  private constructor(
    private readonly file: LogFile,
    private seq: number,
    private readonly clock: () => Date,
  ) {
    this.logger = pino(
      {
        // Neither process id nor host: they would make equal runs differ and say nothing that the
        // manifest does not.
        base: undefined,
        timestamp: () => `,"time":"${this.clock().toISOString()}"`,
        formatters: { level: label => ({ level: label }) },
      },
      // pino's own destination keeps what a full disk refused and would later write it into the
      // middle of another line
      {
        write: (line: string) => {
          this.wasPutBack ||= file.write(line);
          this.hash.update(line);
        },
      },
    );
  }

  /**
   * Opens `path` for appending after `seq` whole lines. `clock` only stamps lines.
   * @throws UserError (exit 1) if that fails
   */
  static open(path: string, { seq = 0, clock = () => new Date() }: LogOptions = {}): EventLog {
    const log = new EventLog(LogFile.open(path), seq, clock);
    if (seq > 0) withFile(path, file => log.hash.update(file.read(0, file.bytes)), { follow: false });
    return log;
  }

  /**
   * Appends one event. A number that is not finite becomes `null` with a `<field>_nonfinite` beside
   * it and raises the level to `warn`.
   * @throws UserError (exit 1) if the event could not be written, such as on a full disk; the next
   *   one takes its number
   */
  emit(event: RunEvent): void {
    const fields = spellNonFinite(event);
    this.logger[levelOf(event, fields)]({ v: EVENT_VERSION, seq: this.seq, ...fields });
    this.seq += 1;
    if (!this.wasPutBack) return;
    this.wasPutBack = false;
    this.emit({
      event: 'warning',
      code: LOG_RESTORED,
      message: 'log.jsonl was removed during the run and has been restored',
    });
  }

  /** Over all events so far: what `head -n RECORDS log.jsonl | sha256sum` prints. */
  digest(): { readonly records: number; readonly sha256: string } {
    return { records: this.seq, sha256: this.hash.copy().digest('hex') };
  }

  /**
   * Brings every event to the disk, so that nothing saved afterwards outlives it.
   * @throws UserError (exit 1) if the system refuses
   */
  flush(): void {
    this.file.flush();
  }

  /** Closes the file; nothing may be emitted afterwards. */
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
