/** Checks left out: who may write to a run, and what a reader may believe. */
import { plantsOf } from './plant.js';

export const ownership = plantsOf({
  'src/run/lock': [
    ['isFree === false', 'false', 'a lock that another process holds counts for nothing', 'locks'],
    [
      'isFree === undefined && !isUnlockedAllowed',
      'false',
      'a directory is written to where the system has no locks',
      'locks',
    ],
    [
      'if (leadsTo(path, file))',
      'if (true)',
      'a process that has lost its lock removes that of the other',
      'locks',
    ],
    ['?.isFile() === false', ' === null', 'a pipe counts as the lock of another process', 'locks'],
    [
      'if (leadsTo(holding.lock, holding.file))',
      'if (true)',
      'a writer that has lost its lock goes on',
      'locks',
    ],
    ['if (holding.lost)', 'if (false)', 'a lock that was lost can come back', 'locks'],
  ],
  'src/run/lines': [
    ['refuseUnlessOwned(this.path);', '', 'the log is not fenced', 'locks'],
    [
      'there?.ino === own.ino && there.dev === own.dev',
      'true',
      'a log that was removed is written to',
      'integrity',
    ],
  ],
  'src/sweep/trials': [
    'RunDirectory.isOne(file)',
    'true',
    'a sweep without the run of a trial passes a review',
    'review-sweeps',
  ],
  'src/run/files': [
    'randomInt(2 ** 47)',
    'process.pid',
    'two containers write to one temporary file',
    'experiment',
  ],
  'src/run/integrity': [
    ['ownStepHashes(manifest).has(found)', 'true', "any checkpoint is the run's own", 'integrity'],
    ['found === undefined || found === sha256', 'true', 'a damaged file passes a review', 'integrity'],
    [
      'records === before.records && sha256 === before.sha256',
      'true',
      'a log with a changed line passes a review',
      'integrity',
    ],
    [
      "log.last?.summary_sha256 !== directory.digestOf('summary.json')",
      'false',
      'a changed summary passes a review',
      'integrity',
    ],
    ['run_id !== runId', 'false', "a run goes on with another run's log", 'integrity'],
    ["last?.event !== 'run.end'", 'false', 'a log continues after its end', 'integrity'],
    [
      "end?.event === 'run.end' && end.summary_sha256 === directory.digestOf('summary.json')",
      'true',
      'a run whose resume was killed cannot be resumed again',
      'integrity',
    ],
  ],
  'src/run/run': [
    'digestOfFile(path) === sha256',
    'true',
    'a model computes with a damaged config',
    'integrity',
  ],
  'src/train/resume': [
    "end.summary_sha256 === directory.digestOf('summary.json')",
    'true',
    'a run is resumed with a changed summary',
    'integrity',
  ],
});
