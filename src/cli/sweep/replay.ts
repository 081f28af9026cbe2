/** `sweep replay SWEEP`: repeats the decisions of a sweep from its results. */
import { existsSync } from 'node:fs';
import { replay, type ScheduleParts } from '../../sweep/decisions.js';
import type { SweepResults } from '../../sweep/index.js';
import { createSampler } from '../../sweep/search/index.js';
import { costModel } from '../../sweep/trial-runs.js';
import { damagedError, EXIT, type ExitCode } from '../../util/errors.js';
import { json } from '../options.js';
import type { Io } from '../terminal/io.js';
import { defineVerb } from '../verb.js';
import { readResults } from './trials.js';

export const verb = defineVerb({
  arguments: '<sweep>',
  options: {
    json: json('the result'),
  },
  help: 'Exit codes: 0 the decisions are the same, 1 they differ, 5 there is no journal.',
  action([path], { json }, { io }) {
    const results = readResults(path, io);
    const { journal } = results.directory.files;
    if (!existsSync(journal))
      throw damagedError({
        code: 'sweep/no-journal',
        message: 'the sweep has no journal: it has not started, or the file is gone',
        file: journal,
      });
    return replayed(results, json, io);
  },
});

function replayed({ plan, directory, journal }: SweepResults, json: boolean, io: Io): ExitCode {
  const parts: ScheduleParts = {
    plan,
    sampler: createSampler(plan.space, plan.method, plan.seed),
    costPerEpoch: costModel(plan, directory),
  };
  const verdict = replay(parts, journal);
  if (json) {
    const { same } = verdict;
    const answer = same
      ? { version: 1, same, decisions: verdict.decisions.length, unwritten: verdict.unwritten }
      : { version: 1, ...verdict };
    io.data(`${JSON.stringify(answer)}\n`);
  } else if (verdict.same) {
    const unwritten = verdict.unwritten === 0 ? '' : `; the journal lacks the last ${verdict.unwritten}`;
    io.out(`${verdict.decisions.length} decisions, byte-identical${unwritten}.\n`);
  } else {
    io.out(
      `Decision ${verdict.index} differs.\n  journal: ${verdict.recorded}\n  replay:  ${verdict.replayed ?? 'none'}\n`,
    );
  }
  return verdict.same ? EXIT.done : EXIT.unexpected;
}
