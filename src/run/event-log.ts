/**
 * `log.jsonl`: one event per line, written to the file before `emit` returns, so that a crash of
 * the process loses nothing. Byte layout of a line: `{"level":…,"time":…,"v":…,"seq":…,"event":…,`
 * the event's fields in the order given, `}\n`.
 */
import { createHash } from '../host/index.js';
import { EVENT_VERSION, type RunEvent } from './events.js';
import { readBytes } from './files.js';
import { type JsonObject, spellNonFinite } from './json.js';
import { openLines } from './lines.js';

/** Opens `path` for appending after `seq` complete lines. `clock` provides the time stamps. */
export function openLog(path: string, seq = 0, clock = () => new Date()) {
  const file = openLines(path);
  const hash = createHash('sha256');
  if (seq > 0) hash.update(readBytes(path));
  let records = seq;
  return {
    /** Numbers that are not finite become null beside `<field>_nonfinite`; the level is `warn`. */
    emit(event: RunEvent): void {
      const fields = spellNonFinite(event);
      const time = clock().toISOString();
      // without process id and host, which would make equal runs differ
      const record = { level: levelOf(event, fields), time, v: EVENT_VERSION, seq: records, ...fields };
      const line = `${JSON.stringify(record)}\n`;
      file.write(line);
      hash.update(line);
      records += 1;
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
