/**
 * Checks left out that once were missing: of jobs, numbers, connections, formats, resources and
 * output, and of files and inputs made to stop their reader. Those of locks and of integrity are in
 * ownership.ts.
 */
import { plantsOf } from './plant.js';

export const hardening = plantsOf({
  'src/sweep/segment': [
    'return stderr.includes(IN_USE)',
    'return false',
    'a run that is in use counts as a failed trial',
    'launchers-bullmq',
  ],
  'src/sweep/launchers/queue': [
    'checkInside(root, sweep);',
    '',
    "a job names a sweep outside the worker's root",
    'launchers-bullmq',
  ],
  'src/run/run': [
    'this.manifest?.run_id ?? this.summary?.run_id ?? this.directory.id',
    'this.directory.id',
    'a run is called by its folder',
    'integrity',
  ],
  'src/config/cross-checks': [
    [
      '(value === 1 || Math.fround(value) !== 1)',
      'true',
      'a rate that is 1 in float32 is valid',
      'config-checks',
    ],
    [
      'value !== 0 && Math.abs(value) < MIN_NORMAL',
      'false',
      'a rate that is 0 in float32 is valid',
      'config-checks',
    ],
  ],
  'src/cli/verbs/recompute': [
    '!isSame(recorded[name], value, isExact)',
    'false',
    'what the weights yield is not compared with the summary',
    'integrity',
  ],
  'src/data/formats/zip': [
    ['bytes.readUInt32LE(locator) !== LOCATOR', 'true', 'a Zip64 archive is damaged', 'data-tables'],
  ],
  'src/data/csv-table': [
    '|| rest(order[a]) - rest(order[b])',
    '',
    'times that differ by microseconds are the same',
    'data-tables',
  ],
  'src/data/row-order': [' || !isDay(cell)', '', '30 February is a day', 'data-tables'],
  'src/data/formats/csv-records': [
    "['\\r\\n', '\\n', '\\r']",
    '[]',
    'the end of the first line is taken for that of all',
    'data-tables',
  ],
  'src/cli/call': [
    'return exhausted(error) ?? (',
    'return (',
    'an exhausted resource is called a bug',
    'outputs',
  ],
  'src/util/table': ['!isRaw && FORMULA.test(cell)', 'false', 'cells of a csv are formulas', 'outputs'],
  'src/util/markdown': [".replaceAll('://', '&#58;//')", '', 'an address in a name is a link', 'outputs'],
  'src/data/jsonl-fields': [
    '!(error instanceof RangeError)',
    'true',
    'a deeply nested value is a bug',
    'data-jsonl',
  ],
  'src/run/log': ['nested !== undefined', 'false', 'an event has fields that are no scalars', 'review-files'],
  'src/run/files': ['maxBytes: MAX_TEXT_BYTES, ', '', 'a file longer than a string is read', 'integrity'],
  'src/view/github': [
    [".replaceAll('\\n', '%0A')", '', 'a message starts a workflow command of its own', 'outputs'],
    [
      'text.split(/\\r?\\n/).map(printable)',
      'text.split(/\\r?\\n/)',
      'annotations have escape sequences and bells',
      'outputs',
    ],
  ],
  'src/util/words': ['(?!\\t)\\p{Cc}|', '', 'messages have escape sequences and bells', 'outputs'],
  'src/sweep/run': [
    'seconds = record.seconds;',
    '',
    'a change of the clock uses up the time of a sweep',
    'sweep-journal',
  ],
  'src/sweep/launchers/bullmq': [
    "state === 'unknown'",
    'false',
    'a job that is in no list of the queue is awaited for ever',
    'launchers-bullmq',
  ],
  'src/run/notes': [
    'tryFileLock(lock) === false',
    'false',
    'one of two simultaneous changes of tags is lost',
    'notes',
  ],
  'src/sweep/directory': [
    '=== sha256)',
    "!== '')",
    'a sweep resumes with an edited base config',
    'sweep-verbs',
  ],
});
