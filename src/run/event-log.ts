/**
 * `log.jsonl`: one event per line, written to the file before `emit` returns, so that a crash of
 * the process loses nothing. Byte layout of a line: `{"level":…,"time":…,"v":…,"seq":…,"event":…,`
 * the event's fields in the order given, `}\n`.
 */
import { createHash, openLogger } from '../host/index.js';
import { EVENT_VERSION, type RunEvent } from './events.js';
import { readBytes } from './files.js';
import { type JsonObject, spellNonFinite } from './json.js';
import { openLines } from './lines.js';

/**
 * Opens `path` for appending after `seq` complete lines. `clock` provides the time stamps.
 *
 * pino writes the lines, but into `openLines` rather than into its own destination, SonicBoom,
 * whose `sync: true` was tried with version 4.2. On a full disk it throws after half a line, which
 * it leaves in the file; the caller believes the line lost, but SonicBoom has kept it and writes it
 * once there is space, between later ones; until then, `flushSync` never returns. Its `flush`
 * reports success without fsync, it ignores EPIPE, and writes on to a removed file.
 */
export function openLog(path: string, seq = 0, clock = () => new Date()) {
  const file = openLines(path);
  const hash = createHash('sha256');
  if (seq > 0) hash.update(readBytes(path));
  let records = seq;
  const log = openLogger(
    line => {
      file.write(line);
      hash.update(line);
      records += 1;
    },
    { clock },
  );
  return {
    /** Numbers that are not finite become null beside `<field>_nonfinite`; the level is `warn`. */
    emit(event: RunEvent): void {
      const fields = spellNonFinite(event);
      log[levelOf(event, fields)]({ v: EVENT_VERSION, seq: records, ...fields });
    },
    /** Digest of all events so far: the output of `head -n RECORDS log.jsonl | sha256sum`. */
    digest: () => ({ records, sha256: hash.copy().digest('hex') }),
    /** So that no file saved later can be newer than the log after a crash. */
    flush: file.flush,
    close: file.close,
  };
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
