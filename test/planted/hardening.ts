/**
 * Checks left out that once were missing: of jobs, numbers, connections, formats, resources and
 * output, and of files and inputs made to stop their reader. Those of locks and of evidence are in
 * ownership.ts.
 */
import type { Plant } from './plant.js';

export const hardening: readonly Plant[] = [
  {
    file: 'src/sweep/segment-result',
    find: 'return stderr.includes(IN_USE)',
    replace: 'return false',
    why: 'a run that is in use counts as a failed trial',
    tests: ['launchers-bullmq'],
  },
  {
    file: 'src/sweep/launchers/queue-job',
    find: 'checkInside(root, sweep);',
    replace: '',
    why: "a job names a sweep outside the worker's root",
    tests: ['launchers-bullmq'],
  },
  {
    file: 'src/review/reading/run-record',
    find: 'manifest?.run_id ?? summary?.run_id ?? directory.id',
    replace: 'directory.id',
    why: 'a run is called by its folder',
    tests: ['evidence'],
  },
  {
    file: 'src/config/rules/cross-checks',
    find: 'value !== 1 && Math.fround(value) === 1 ? 1 : undefined',
    replace: 'undefined',
    why: 'a rate that is 1 in float32 is valid',
    tests: ['config-checks'],
  },
  {
    file: 'src/config/rules/cross-checks',
    find: 'value !== 0 && Math.abs(value) < MIN_NORMAL',
    replace: 'false',
    why: 'a rate that is 0 in float32 is valid',
    tests: ['config-checks'],
  },
  {
    file: 'src/report/server/dashboard',
    find: 'server.timeout = timeouts.idle;',
    // each of these alone drops a silent connection
    replace: 'server.timeout = server.headersTimeout = server.requestTimeout = 0;',
    why: 'connections that say nothing stay',
    tests: ['dashboard'],
  },
  {
    file: 'src/cli/verbs/recompute',
    find: '!isSame(recorded[name], value, isExact)',
    replace: 'false',
    why: 'what the weights yield is not compared with the summary',
    tests: ['evidence'],
  },
  {
    file: 'src/data/formats/zip',
    find: 'return { offset: at - size, end: at, prefix };',
    replace: 'return { offset: at - size, end: at, prefix: 0 };',
    why: 'an archive with a prefix is damaged',
    tests: ['data-tables'],
  },
  {
    file: 'src/data/formats/zip',
    find: 'bytes.readUInt32LE(locator) !== LOCATOR',
    replace: 'true',
    why: 'a Zip64 archive is damaged',
    tests: ['data-tables'],
  },
  {
    file: 'src/data/csv/order',
    find: 'rest === undefined ? 0 : rest[a] - rest[b]',
    replace: '0',
    why: 'times that differ by microseconds are the same',
    tests: ['data-tables'],
  },
  {
    file: 'src/data/csv/order',
    find: ' || !isDay(cell)',
    replace: '',
    why: '30 February is a day',
    tests: ['data-tables'],
  },
  {
    file: 'src/data/formats/csv',
    find: 'bytes.includes(LINE_FEED) ? LINE_FEEDS : CARRIAGE_RETURNS',
    replace: "bytes.includes('\\r\\n') ? ['\\r\\n'] : LINE_FEEDS",
    why: 'the end of the first line is taken for that of all',
    tests: ['data-tables'],
  },
  {
    file: 'src/cli/call',
    find: 'exhausted(error)',
    replace: 'undefined',
    why: 'an exhausted resource is called a bug',
    tests: ['outputs'],
  },
  {
    file: 'src/cli/verbs/prediction-lines',
    find: '!isRaw && FORMULA.test(value)',
    replace: 'false',
    why: 'cells of a csv are formulas',
    tests: ['outputs'],
  },
  {
    file: 'src/util/markdown',
    find: ".replaceAll('://', '&#58;//')",
    replace: '',
    why: 'an address in a name is a link',
    tests: ['outputs'],
  },
  {
    file: 'src/cli/call',
    find: 'isClosed(STDOUT)',
    replace: 'false',
    why: '--json loses its output where stdout is closed',
    tests: ['outputs'],
  },
  {
    file: 'src/data/jsonl/fields',
    find: '!(error instanceof RangeError)',
    replace: 'true',
    why: 'a deeply nested value is a bug',
    tests: ['data-text'],
  },
  {
    file: 'src/data/formats/csv',
    find: ' && this.window.length <= MAX_RECORD_BYTES',
    replace: '',
    why: 'a first line without an end takes all memory',
    tests: ['fuzz'],
  },
  {
    file: 'src/experiment/log/parse',
    find: 'nested !== undefined',
    replace: 'false',
    why: 'an event has fields that are no scalars',
    tests: ['review-files'],
  },
  {
    file: 'src/review/judging/log-proof',
    find: 'if (this.hasMore)',
    replace: 'if (false)',
    why: 'a log continues after its end',
    tests: ['evidence'],
  },
  {
    file: 'src/experiment/files/opened-file',
    find: 'maxBytes: MAX_TEXT_BYTES, ',
    replace: '',
    why: 'a file longer than a string is read',
    tests: ['evidence'],
  },
];
