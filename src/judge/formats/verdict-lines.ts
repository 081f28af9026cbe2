/**
 * Every verdict of a review as one line, for text, annotations and test reports.
 */
import { basename, sep } from 'node:path';
import type { Verdict } from '../../run/events.js';
import type { GateResult } from '../../run/summary.js';
import { gateName, gateSentence } from '../../run/words.js';
import { EXIT } from '../../util/errors.js';
import { counted } from '../../util/words.js';
import type { MetricVerdict } from '../judging/against.js';
import { groupNotes } from '../judging/group-notes.js';
import type { RunReview } from '../judging/judge-run.js';
import type { DamagedRun } from '../judging/reading.js';
import type { GroupReview, Review } from '../review.js';

export interface VerdictLine {
  /** Such as `completed`, `test.accuracy over best`, `test.loss against b.json`. */
  readonly name: string;
  readonly verdict: Verdict;
  /** A complete sentence with value and limit. */
  readonly sentence: string;
  /** Undefined if it is not a gate. */
  readonly gate: GateResult | undefined;
  /** True if it was not checked, since the run did not complete or is not judged. */
  readonly skipped: boolean;
}

/** The lines of a run, a damaged run or a group, which `about` names. */
export interface VerdictGroup {
  readonly about: string;
  /**
   * The same for the same experiment and seed in every review, so that a history can be kept. Not
   * unique.
   */
  readonly identity: string;
  /** Absent for a group or a damaged run. */
  readonly run?: RunReview;
  /** Only for a group. */
  readonly group?: GroupReview;
  readonly lines: readonly VerdictLine[];
  /** The configs that contain its gates; see `RunFacts.config_files`. */
  readonly files: readonly string[];
  /** Notes for the reader, one line each. */
  readonly notes: readonly string[];
}

/** Leaves out groups without lines and notes. */
export function verdictGroups({ runs, damaged, groups, sweeps }: Review): VerdictGroup[] {
  return [
    ...runs.map(run => ({
      about: `${run.name}/${run.run_id}`,
      identity: identityOf(run, sweeps),
      run,
      lines: runLines(run),
      files: run.config_files,
      notes: run.cautions,
    })),
    ...damaged.map(run => ({
      about: `${run.name}/${run.run_id}`,
      identity: `${run.name}.damaged`,
      lines: [damageLine(run)],
      files: [],
      notes: [],
    })),
    ...groups.map(group => ({
      about: groupName(group),
      identity: [group.name, ...distinctWords(group, '='), 'over-seeds'].join('.'),
      group,
      lines: groupLines(group),
      files: filesOf(group, runs),
      notes: groupNotes(group),
    })),
  ].filter(({ lines, notes }) => lines.length + notes.length > 0);
}

/** Uses the id only for trials, since other ids contain the time. */
function identityOf({ directory, name, seed, run_id }: RunReview, sweeps: Review['sweeps']): string {
  const sweep = sweeps.find(one => directory.startsWith(`${one.directory}${sep}`));
  return sweep === undefined ? `${name}.seed-${seed ?? 'unknown'}` : `${sweep.name}.${run_id}`;
}

function filesOf(group: GroupReview, runs: readonly RunReview[]): string[] {
  const members = runs.filter(run => run.name === group.name && group.runs.includes(run.run_id));
  return [...new Set(members.flatMap(({ config_files }) => config_files))];
}

/** `mnist-lstm, model.hidden_size 64, 3 runs, seeds 0, 1, 2` */
export function groupName(group: GroupReview): string {
  const { name, runs, seeds } = group;
  const which = seeds.map(seed => seed ?? '?').join(', ');
  const what = [name, ...distinctWords(group, ' ')].join(', ');
  return runs.length === 1 ? `${what}, seed ${which}` : `${what}, ${runs.length} runs, seeds ${which}`;
}

const MAX_DISTINCT = 6;

/** The values that distinguish a group from others of its name. */
function distinctWords({ distinct }: GroupReview, sign: string): string[] {
  const words = Object.entries(distinct).map(
    ([key, value]) => `${key}${sign}${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const left = words.length - MAX_DISTINCT;
  return left > 0 ? [...words.slice(0, MAX_DISTINCT), `${left} more`] : words;
}

function runLines({ completed, gates, state, not_judged }: RunReview): VerdictLine[] {
  const isJudged = not_judged === null;
  const doubted = completed.verdict === 'inconclusive' ? 'Not certain' : 'Not completed';
  const sentence = `${isJudged ? doubted : 'Not judged'}: ${completed.reason}.`;
  const first: VerdictLine = {
    name: 'completed',
    verdict: completed.verdict,
    sentence: completed.reason === null ? 'The run completed.' : sentence,
    gate: undefined,
    skipped: !isJudged,
  };
  return [first, ...gates.map(gate => gateLine(gate, !isJudged || state !== 'completed'))];
}

function damageLine({ message }: DamagedRun): VerdictLine {
  return {
    name: 'readable',
    verdict: 'inconclusive',
    sentence: `Damaged: ${message}.`,
    gate: undefined,
    skipped: false,
  };
}

/** `Review: passed.` */
export function closingSentence({ verdict, exit_code }: Review): string {
  if (exit_code === EXIT.damaged) return `Review: ${verdict}; files are damaged.`;
  return verdict === 'no gate' ? 'Review: not judged: no gate and no baseline.' : `Review: ${verdict}.`;
}

/** Messages about sweeps with reviewed runs, one sentence each. */
export function sweepSentences({ sweeps }: Review): string[] {
  return sweeps.flatMap(({ name, directory, message }) =>
    message === null ? [] : [`sweep ${name}/${basename(directory)}: ${message}`],
  );
}

function groupLines({ gates, comparison }: GroupReview): VerdictLine[] {
  const compared = comparison?.metrics.map(metric => comparisonLine(metric, comparison.file)) ?? [];
  return [...gates.map(gate => gateLine(gate, false)), ...compared];
}

function gateLine(gate: GateResult, skipped: boolean): VerdictLine {
  return { name: gateName(gate), verdict: gate.verdict, sentence: gateSentence(gate), gate, skipped };
}

function comparisonLine(result: MetricVerdict, file: string): VerdictLine {
  const { metric, verdict, value, reason, reference, spread, count, limit, p } = result;
  const measured = value === null ? '' : ` ${short(value)}`;
  const noise = spread === null ? '' : ` ± ${short(spread, 2)}`;
  const chance = p === undefined ? '' : `, p ${short(p, 2)}`;
  const worst = limit === undefined ? '' : `; up to ${short(limit)} passes`;
  const runs = counted(count, 'run');
  return {
    name: `${metric} against ${file}`,
    verdict,
    sentence: `${metric}${measured} ${verdict} against ${short(reference)}${noise} (${runs} of ${file}): ${reason}${chance}${worst}.`,
    gate: undefined,
    skipped: false,
  };
}

/** A number rounded to `digits` significant digits. */
export function short(value: number, digits = 6): string {
  return String(Number(value.toPrecision(digits)));
}
