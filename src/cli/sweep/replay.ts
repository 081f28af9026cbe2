/** `sweep replay SWEEP`: the decisions once more from the results alone, byte for byte; `--what-if` with another pruner. */
import { existsSync } from 'node:fs';
import { prunerOf } from '../../sweep/config/index.js';
import { epochValues, type SweepResults } from '../../sweep/results/index.js';
import { replay, type ScheduleParts } from '../../sweep/schedule/replay.js';
import { whatIf } from '../../sweep/schedule/what-if.js';
import { createSampler } from '../../sweep/search/index.js';
import { costModel } from '../../sweep/trial-runs.js';
import { damagedError, EXIT, type ExitCode } from '../../util/errors.js';
import { counted } from '../../util/words.js';
import type { Io } from '../terminal/io.js';
import { readTelling } from './status.js';

export interface ReplayOptions {
  /** A pruner as a sweep file names it; `undefined`: the sweep's own. */
  readonly whatIf: string | undefined;
  readonly json: boolean;
}

/** Exit 1 where the decisions are other ones. Throws exit 5 where there is no journal to read them from. */
export function sweepReplay(path: string, options: ReplayOptions, io: Io): ExitCode {
  const results = readTelling(path, io);
  const { journal } = results.directory.files;
  if (!existsSync(journal))
    throw damagedError({
      code: 'sweep/no-journal',
      message:
        'the sweep has no journal, so that there are no decisions: it has not begun, or the file is gone',
      file: journal,
    });
  return options.whatIf === undefined
    ? replayed(results, options.json, io)
    : otherwise(results, options.whatIf, options.json, io);
}

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
    io.out(`${JSON.stringify(answer)}\n`);
  } else if (verdict.same) {
    const unwritten =
      verdict.unwritten === 0 ? '' : `; the journal ends before the last ${verdict.unwritten}`;
    io.out(`${verdict.decisions.length} decisions, the same byte for byte${unwritten}.\n`);
  } else {
    io.out(
      `Decision ${verdict.index} is another one.\n  journal: ${verdict.recorded}\n  replay:  ${verdict.replayed ?? 'none'}\n`,
    );
  }
  return verdict.same ? EXIT.done : EXIT.unexpected;
}

function otherwise(
  { plan, directory, journal }: SweepResults,
  text: string,
  json: boolean,
  io: Io,
): ExitCode {
  const pruner = prunerOf('what-if', text, plan.epochs);
  const { epochs, best, unknown, isExact } = whatIf(
    {
      plan,
      pruner,
      costPerEpoch: costModel(plan, directory),
      history: (trial, seed) => epochValues(plan, directory.runPath({ trial, seed })),
    },
    journal,
  );
  if (json) {
    const told = isExact ? epochs : { recorded: epochs.recorded, whatIf: null, saved: null };
    const epochs_at_least = isExact || pruner.kind === 'none' ? epochs.whatIf : null;
    io.out(
      `${JSON.stringify({ version: 1, pruner, epochs: told, epochs_at_least, epochs_known: epochs.whatIf, best, unknown, exact: isExact })}\n`,
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
            `unknown      ${counted(unknown.length, 'trial')} would have been trained further than the journal tells (${unknown
              .slice(0, 5)
              .map(({ trial, to }) => `trial ${trial} to epoch ${to}`)
              .join(', ')}${unknown.length > 5 ? ', …' : ''}); they count as given up there`,
          ]),
      '',
    ].join('\n'),
  );
  return EXIT.done;
}
