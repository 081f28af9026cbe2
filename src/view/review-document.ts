/** A review as a document: each run, damaged run and group of runs is a subject. */

import { basename, sep } from 'node:path';
import { movedWords } from '../judge/deciding.js';
import type {
  DamagedRun,
  GroupReview,
  MetricVerdict,
  Review,
  RunFacts,
  RunReview,
} from '../judge/judging/document.js';
import type { Reviewed } from '../judge/judging/review.js';
import { largerIsBetter } from '../math/metrics/index.js';
import { gateName, gateSentence } from '../run/gates.js';
import type { GateResult } from '../run/summary.js';
import { EXIT } from '../util/errors.js';
import { rounded } from '../util/numbers.js';
import { counted } from '../util/words.js';
import type { Block, Chart, Fact, Judgement, Subject } from './blocks.js';

/**
 * Charts of curves come last, of the runs that have any. Text from the runs is not escaped.
 * @param nameOf names directories
 */
export function reviewDocument(
  { review, curves }: Reviewed,
  nameOf = (directory: string): string => directory,
): readonly Block[] {
  const { runs, damaged, groups, sweeps, pinned } = review;
  // without any gate the outcome says so
  const haveGates = runs.some(({ gates }) => gates.length > 0);
  const shared = sharedWarnings(runs);
  return [
    ...runs
      .map(run => runSubject(run, nameOf(run.directory), identityOf(run, sweeps), haveGates))
      .map(subject => ({ ...subject, warnings: without(shared, subject.warnings) })),
    ...damaged.map(run => damagedSubject(run, nameOf(run.directory))),
    ...groups.map(group => groupSubject(group, runs)).filter(isTelling),
    ...sweeps.flatMap(({ name, directory, message }): Block[] => {
      if (message === null) return [];
      return [{ kind: 'warning', code: 'sweep', text: `sweep ${name}/${basename(directory)}: ${message}` }];
    }),
    ...[...shared].map(([text, { code, count }]): Block => {
      return { kind: 'warning', code, text: `${text} (${counted(count, 'run')})` };
    }),
    ...(pinned === null ? [] : [{ kind: 'paragraph' as const, text: `Pinned: ${pinned}` }]),
    { kind: 'outcome', text: outcomeOf(review) },
    ...groups.flatMap(group => chartsOf(group, runs, curves)),
  ];
}

/** The warnings of several runs, with their number. */
function sharedWarnings(runs: readonly RunReview[]) {
  const known = new Map<string, { readonly code: string; readonly count: number }>();
  for (const { warnings } of runs) {
    const codes = new Map(warnings.first.map(({ code, message }) => [message, code]));
    for (const [message, code] of codes)
      known.set(message, { code, count: 1 + (known.get(message)?.count ?? 0) });
  }
  return new Map([...known].filter(([, { count }]) => count > 1));
}

function without(
  shared: ReturnType<typeof sharedWarnings>,
  { count, first }: Subject['warnings'],
): Subject['warnings'] {
  const local = first.filter(({ message }) => !shared.has(message));
  return { count: count - (first.length - local.length), first: local };
}

function outcomeOf({ verdict, exit_code }: Review): string {
  if (exit_code === EXIT.damaged) return `Review: ${verdict}; files are damaged.`;
  return verdict === 'no gate' ? 'Review: not judged: no gate and no baseline.' : `Review: ${verdict}.`;
}

function isTelling({ judgements, notes }: Subject): boolean {
  return judgements.length + notes.length > 0;
}

const SUBJECT = {
  kind: 'subject' as const,
  isBrief: false,
  configFiles: [],
  facts: [],
  notes: [],
  warnings: { count: 0, first: [] },
};

function runSubject(run: RunReview, directory: string, identity: string, haveGates: boolean): Subject {
  const { name, run_id, completed, not_judged } = run;
  const which = replicateOf(run);
  const isJudged = not_judged === null;
  const doubted = completed.verdict === 'inconclusive' ? 'Not certain' : 'Not completed';
  const sentence =
    completed.reason === null
      ? 'The run completed.'
      : `${isJudged ? doubted : 'Not judged'}: ${completed.reason}.`;
  const gates = run.gates.map(gateJudgement);
  return {
    ...SUBJECT,
    about: `${name}/${run_id}`,
    head: `${directory}${which === '' ? '' : `, ${which}`}: ${completed.reason ?? 'completed'}`,
    isBrief: !isJudged,
    identity,
    run,
    configFiles: run.config_files,
    facts: factsOf(run, haveGates).filter(({ as }) => isJudged || as === 'head'),
    notes: isJudged ? notesOf(run) : [],
    judgements: [
      headJudgement('completed', isJudged ? completed.verdict : 'not judged', sentence),
      ...(isJudged && run.state === 'completed'
        ? gates
        : gates.map(gate => ({ ...gate, verdict: 'not judged' as const }))),
    ],
    warnings: run.warnings,
  };
}

/** `seed 3` or `fold 2`; empty if unknown. */
function replicateOf({ seed, fold }: Pick<RunReview, 'seed' | 'fold'>): string {
  if (fold !== undefined) return `fold ${fold}`;
  return seed === null ? '' : `seed ${seed}`;
}

function headJudgement(name: string, verdict: Judgement['verdict'], sentence: string): Judgement {
  return { name, id: name, verdict, sentence, isInHead: true };
}

/** Uses the id only for trials, since other ids contain the time. */
function identityOf({ directory, name, seed, run_id }: RunReview, sweeps: Review['sweeps']): string {
  const sweep = sweeps.find(parent => directory.startsWith(`${parent.directory}${sep}`));
  return sweep === undefined ? `${name}.seed-${seed ?? 'unknown'}` : `${sweep.name}.${run_id}`;
}

function factsOf(run: RunReview, haveGates: boolean): Fact[] {
  const { state, seed, fold, completed, gates, ending } = run;
  const hasNoGates = haveGates && completed.verdict === 'passed' && gates.length === 0;
  const facts: Fact[] = [
    { name: 'status', value: state, as: 'head' },
    { name: 'seed', value: seed === null ? '' : String(seed), as: 'head' },
    { name: 'fold', value: String(fold ?? ''), as: 'head' },
    { name: 'environment', value: environmentWords(run), as: 'line' },
    ...metricFacts(run),
    { name: 'cost', value: costWords(run), as: 'line' },
    { name: 'ending', value: ending ?? '', as: 'line' },
    { name: 'gates', value: hasNoGates ? 'no gates in its config' : '', as: 'line' },
  ];
  return facts.filter(({ value }) => value !== '');
}

/** `webasm, fused, 2 threads; linux x64, Intel…; cellrun 0.1.0, node 20.20.2; git 3f2a1bc` */
function environmentWords({ backend, machine, versions, git }: RunFacts): string {
  const parts = [
    backend && [
      backend.name,
      backend.arithmetic,
      backend.threads && counted(backend.threads, 'thread'),
      backend.adapter,
    ],
    machine && [`${machine.platform} ${machine.arch}`, machine.cpu],
    versions && [`cellrun ${versions.cellrun}`, `node ${versions.node}`],
    git && [`git ${git.revision.slice(0, 7)}`, git.dirty && 'with changes'],
  ];
  return parts
    .filter(part => part !== null)
    .map(part => part.filter(word => typeof word === 'string' && word !== '').join(', '))
    .join('; ');
}

/** Final values by metric, such as `test.accuracy`, including NaN and infinities. */
function metricFacts({ metrics }: RunFacts): Fact[] {
  return Object.entries(metrics ?? {})
    .toReversed()
    .flatMap(([split, values]) =>
      Object.entries(values ?? {}).map(
        ([name, value]): Fact => ({ name: `${split}.${name}`, value: rounded(value, 6), as: 'named' }),
      ),
    );
}

function costWords({ steps, duration_s, performance }: RunFacts): string {
  if (steps === null) return '';
  const { ms_per_step, step_ratio, peak_rss_mb } = performance;
  return [
    `${counted(steps, 'step')}${duration_s === null ? '' : ` in ${rounded(duration_s, 3)} s`}`,
    ...(ms_per_step === null ? [] : [`${rounded(ms_per_step, 3)} ms per step`]),
    ...(step_ratio === null ? [] : [`step ratio ${rounded(step_ratio, 3)}`]),
    ...(peak_rss_mb === null ? [] : [`peak ${Math.round(peak_rss_mb)} MB`]),
  ].join(', ');
}

function notesOf({ cautions, damaged_lines: damaged }: RunReview): string[] {
  return [
    ...cautions.map(caution => `warning: ${caution}`),
    ...(damaged > 0
      ? [
          `warning: ${counted(damaged, 'line')} of the log ${damaged === 1 ? 'is not an event' : 'are not events'}`,
        ]
      : []),
  ];
}

function damagedSubject({ name, run_id, message }: DamagedRun, directory: string): Subject {
  return {
    ...SUBJECT,
    about: `${name}/${run_id}`,
    head: `${directory}: damaged: ${message}`,
    isBrief: true,
    identity: `${name}.damaged`,
    judgements: [headJudgement('readable', 'inconclusive', `Damaged: ${message}.`)],
  };
}

function groupSubject(group: GroupReview, runs: readonly RunReview[]): Subject {
  const { name, seeds, folds, gates, comparison } = group;
  const members = runs.filter(run => run.name === name && group.runs.includes(run.run_id));
  const which = (folds ?? seeds).map(number => number ?? '?').join(', ');
  const unit = folds ? 'fold' : 'seed';
  const what = [name, ...distinctWords(group, ' ')].join(', ');
  const about =
    group.runs.length === 1
      ? `${what}, ${unit} ${which}`
      : `${what}, ${group.runs.length} runs, ${unit}s ${which}`;
  return {
    ...SUBJECT,
    about,
    head: about,
    identity: [name, ...distinctWords(group, '='), `over-${unit}s`].join('.'),
    configFiles: [...new Set(members.flatMap(({ config_files }) => config_files))],
    notes: groupNotes(group),
    judgements: [
      ...gates.map(gateJudgement),
      ...(comparison?.metrics ?? []).map(result => {
        const asked = members.flatMap(run => run.gates).find(({ metric }) => metric === result.metric);
        const judgement = comparisonJudgement(result, comparison?.file ?? '');
        return asked ? { ...judgement, origin: asked.origin } : judgement;
      }),
    ],
  };
}

const MAX_DISTINCT = 6;

function distinctWords({ distinct }: GroupReview, sign: string): string[] {
  const words = Object.entries(distinct).map(
    ([key, value]) => `${key}${sign}${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const left = words.length - MAX_DISTINCT;
  return left > 0 ? [...words.slice(0, MAX_DISTINCT), `${left} more`] : words;
}

const PINNED = ['config', 'data', 'code', 'backend'] as const;

/** Runs that do not count, and changes since the baseline was pinned; changes are indented. */
function groupNotes({ left_out, comparison }: GroupReview): string[] {
  const leftOut = left_out.map(({ run_id, reason }) => `left out: ${run_id}: ${reason}`);
  if (comparison === undefined) return leftOut;
  const { moved, not_pinned, file } = comparison;
  const drawn = not_pinned.includes('data')
    ? [`data are drawn from the seed, and not pinned by ${file}`]
    : [];
  if (moved.length > 0)
    return [
      ...leftOut,
      `changed since ${file}:`,
      ...[...moved.map(movedWords), ...drawn].map(line => `  ${line}`),
    ];
  const known = PINNED.filter(kind => !not_pinned.some(omitted => omitted === kind));
  return [...leftOut, `${known.slice(0, -1).join(', ')} and ${known.at(-1)} are those of ${file}`, ...drawn];
}

function gateJudgement(gate: GateResult): Judgement {
  const { verdict, origin } = gate;
  const name = gateName(gate);
  const sentence = gateSentence(gate);
  return { name, id: `${name} ${askedWords(gate)}`, verdict, sentence, isInHead: false, origin };
}

/** `>= 0.97 and <= 1`, `max_drop 0.005 of b.json` */
function askedWords({ min, max, max_drop, max_regress, beats, by, baseline }: GateResult): string {
  const bounds = Object.entries({ '>=': min, '<=': max, max_drop, max_regress, beats })
    .filter(([, bound]) => bound !== undefined)
    .map(([relation, bound]) => `${relation} ${bound}`);
  const margin = beats === undefined || by === undefined ? '' : ` by ${by}`;
  return `${bounds.join(' and ')}${margin}${baseline === undefined ? '' : ` of ${basename(baseline)}`}`;
}

function comparisonJudgement(result: MetricVerdict, file: string): Judgement {
  const { metric, verdict, value, reason, reference, spread, count, limit, p } = result;
  const measured = value === null ? '' : ` ${rounded(value, 6)}`;
  const noise = spread === null ? '' : ` ± ${rounded(spread, 2)}`;
  const chance = p === undefined ? '' : `, p ${rounded(p, 2)}`;
  const worst = limit === undefined ? '' : `; up to ${rounded(limit, 6)} passes`;
  const name = `${metric} against ${file}`;
  const sentence = `${metric}${measured} ${verdict} against ${rounded(reference, 6)}${noise} (${counted(count, 'run')} of ${file}): ${reason}${chance}${worst}.`;
  return { name, id: name, verdict, sentence, isInHead: false, metric };
}

/** More lines cannot be distinguished. */
const MAX_LINES = 6;

/** The finite values of the test curves of a group's first runs. */
function chartsOf(group: GroupReview, runs: readonly RunReview[], curves: Reviewed['curves']): Chart[] {
  const members = group.runs
    .map(id => curves[runs.findIndex(run => run.run_id === id)] ?? {})
    .slice(0, MAX_LINES);
  const names = new Set(
    members.flatMap(member => Object.keys(member)).filter(name => name.startsWith('test.')),
  );
  return [...names].map(name => ({
    kind: 'chart',
    title: `${group.name}: ${name}, ${largerIsBetter(name) ? 'larger' : 'smaller'} is better`,
    axis: 'step',
    lines: members.flatMap(({ [name]: curve }, i) => {
      if (curve === undefined) return [];
      const points = curve.steps.flatMap((x, k) => {
        const y = curve.values[k];
        return y === null ? [] : [{ x, y }];
      });
      return [{ label: String(i + 1), points }];
    }),
  }));
}
