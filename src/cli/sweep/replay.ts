/**
 * `sweep replay SWEEP`: repeats the decisions of a sweep from its results, or simulates another
 * pruner.
 */
import { existsSync } from 'node:fs';
import { prunerOf } from '../../sweep/config/index.js';
import { epochValues, type SweepResults } from '../../sweep/results/index.js';
import { replay, type ScheduleParts } from '../../sweep/schedule/replay.js';
import { whatIf as tryPruner } from '../../sweep/schedule/what-if.js';
import { createSampler } from '../../sweep/search/index.js';
import { costModel } from '../../sweep/trial-runs.js';
import { damagedError, EXIT, type ExitCode } from '../../util/errors.js';
import { counted } from '../../util/words.js';
import { json } from '../options.js';
import type { Io } from '../terminal/io.js';
import { defineVerb, text } from '../verb.js';
import { readResults } from './trials.js';

export const verb = defineVerb({
  arguments: '<sweep>',
  options: {
    whatIf: text('<pruner>', 'use this pruner instead: a name or a mapping'),
    json: json('the result'),
  },
  help: 'Exit codes: 0 the decisions are the same, 1 they differ, 5 there is no journal.',
  action([path], { whatIf, json }, { io }) {
    const results = readResults(path, io);
    const { journal } = results.directory.files;
    if (!existsSync(journal))
      throw damagedError({
        code: 'sweep/no-journal',
        message: 'the sweep has no journal: it has not started, or the file is gone',
        file: journal,
      });
    return whatIf === undefined ? replayed(results, json, io) : pruned(results, whatIf, json, io);
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

/** Simulates another pruner on the recorded results. */
function pruned({ plan, directory, journal }: SweepResults, text: string, json: boolean, io: Io): ExitCode {
  const pruner = prunerOf('what-if', text, plan.epochs);
  const { epochs, best, unknown, isExact } = tryPruner(
    {
      plan,
      pruner,
      costPerEpoch: costModel(plan, directory),
      history: (trial, seed) => epochValues(plan, directory.runPath({ trial, seed })),
    },
    journal,
  );
  if (json) {
    const known = isExact ? epochs : { recorded: epochs.recorded, whatIf: null, saved: null };
    const epochs_at_least = isExact || pruner.kind === 'none' ? epochs.whatIf : null;
    io.data(
      `${JSON.stringify({ version: 1, pruner, epochs: known, epochs_at_least, epochs_known: epochs.whatIf, best, unknown, exact: isExact })}\n`,
    );
    return EXIT.done;
  }
  const { metric } = plan.objective;
  const shown = (one: typeof best.recorded): string =>
    one === null ? 'none' : `${metric} ${Number(one.value.toPrecision(5))} (trial ${one.trial})`;
  const recorded = [plan.pruner.kind, String(epochs.recorded), shown(best.recorded)];
  const width = Math.max(...recorded.map(text => text.length)) + 2;
  const [kind, count, value] = recorded.map(text => text.padEnd(width));
  io.out(
    [
      `             ${kind}${pruner.kind}`,
      `epochs       ${count}${isExact ? '' : pruner.kind === 'none' ? '≥ ' : '~ '}${epochs.whatIf}`,
      `best         ${value}${shown(best.whatIf)}`,
      ...(isExact
        ? []
        : [
            `unknown      ${counted(unknown.length, 'trial')} would have trained longer than the journal records (${unknown
              .slice(0, 5)
              .map(({ trial, to }) => `trial ${trial} to epoch ${to}`)
              .join(', ')}${unknown.length > 5 ? ', …' : ''}); they count as stopped there`,
          ]),
      '',
    ].join('\n'),
  );
  return EXIT.done;
}
