/** A review as a document: each run, damaged run and group of runs is a subject. */

import { basename, sep } from 'node:path';
import { movedWords } from '../judge/deciding.js';
import type { MetricVerdict } from '../judge/judging/against.js';
import type { RunReview } from '../judge/judging/gates.js';
import type { DamagedRun, GroupReview, Review, Reviewed } from '../judge/judging/review.js';
import type { RunFacts } from '../judge/judging/run-facts.js';
import { largerIsBetter } from '../math/metrics/index.js';
import { gateName, gateSentence } from '../run/gates.js';
import type { GateResult } from '../run/summary.js';
import { EXIT } from '../util/errors.js';
import { rounded } from '../util/numbers.js';
import { counted } from '../util/words.js';
import type { Block, Chart, Fact, Judgement, Subject } from './blocks.js';
import { placeOfGate } from './github.js';

interface ReviewStyle {
  nameOf?(directory: string): string;
  readonly workspace?: string;
}

/** Charts of curves come last, of the runs that have any. Text from the runs is not escaped. */
export function reviewDocument({ review, curves }: Reviewed, style: ReviewStyle = {}): readonly Block[] {
  const { runs, damaged, groups, sweeps, pinned } = review;
  const nameOf = style.nameOf ?? (directory => directory);
  const place = (gate: GateResult, files: readonly string[]): Judgement['place'] =>
    style.workspace === undefined ? undefined : placeOfGate(gate, files, style.workspace);
  return [
    ...runs.map(run => runSubject(run, { nameOf, identity: identityOf(run, sweeps), place })),
    ...damaged.map(run => damagedSubject(run, nameOf)),
    ...groups.map(group => groupSubject(group, runs, place)).filter(isTelling),
    ...sweeps.flatMap(({ name, directory, message }): Block[] =>
      message === null
        ? []
        : [
            {
              kind: 'finding',
              severity: 'warning',
              diagnostic: { code: 'sweep', message: `sweep ${name}/${basename(directory)}: ${message}` },
            },
          ],
    ),
    ...(pinned === null ? [] : [{ kind: 'paragraph' as const, text: `Pinned: ${pinned}` }]),
    { kind: 'outcome', text: outcomeOf(review) },
    ...groups.flatMap(group => chartsOf(group, runs, curves)),
  ];
}

function outcomeOf({ verdict, exit_code }: Review): string {
  if (exit_code === EXIT.damaged) return `Review: ${verdict}; files are damaged.`;
  return verdict === 'no gate' ? 'Review: not judged: no gate and no baseline.' : `Review: ${verdict}.`;
}

function isTelling({ judgements, notes }: Subject): boolean {
  return judgements.length + notes.length > 0;
}

type PlaceOf = (gate: GateResult, files: readonly string[]) => Judgement['place'];

interface RunStyle {
  readonly nameOf: (directory: string) => string;
  readonly identity: string;
  readonly place: PlaceOf;
}

function runSubject(run: RunReview, { nameOf, identity, place }: RunStyle): Subject {
  const { name, run_id, directory, seed, started, duration_s, completed, not_judged, warnings } = run;
  const isJudged = not_judged === null;
  const doubted = completed.verdict === 'inconclusive' ? 'Not certain' : 'Not completed';
  const first: Judgement = {
    name: 'completed',
    id: 'completed',
    verdict: isJudged ? completed.verdict : 'not judged',
    sentence:
      completed.reason === null
        ? 'The run completed.'
        : `${isJudged ? doubted : 'Not judged'}: ${completed.reason}.`,
    isInHead: true,
  };
  const gates = run.gates.map((gate): Judgement => {
    const judged = gateJudgement(gate, place(gate, run.config_files));
    return isJudged && run.state === 'completed' ? judged : { ...judged, verdict: 'not judged' };
  });
  return {
    kind: 'subject',
    about: `${name}/${run_id}`,
    head: `${nameOf(directory)}${seed === null ? '' : `, seed ${seed}`}: ${completed.reason ?? 'completed'}`,
    isBrief: !isJudged,
    identity,
    run: { directory, run_id, started, duration_s },
    facts: factsOf(run),
    notes: notesOf(run),
    judgements: [first, ...gates],
    warnings,
  };
}

/** Uses the id only for trials, since other ids contain the time. */
function identityOf({ directory, name, seed, run_id }: RunReview, sweeps: Review['sweeps']): string {
  const sweep = sweeps.find(one => directory.startsWith(`${one.directory}${sep}`));
  return sweep === undefined ? `${name}.seed-${seed ?? 'unknown'}` : `${sweep.name}.${run_id}`;
}

function factsOf(run: RunReview): Fact[] {
  const { state, seed, completed, gates, ending } = run;
  const hasNoGates = completed.verdict === 'passed' && gates.length === 0;
  const facts: Fact[] = [
    { name: 'status', value: state, as: 'head' },
    { name: 'seed', value: seed === null ? '' : String(seed), as: 'head' },
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

const NO_WARNINGS = { count: 0, first: [] };

function damagedSubject(run: DamagedRun, nameOf: (directory: string) => string): Subject {
  return {
    kind: 'subject',
    about: `${run.name}/${run.run_id}`,
    head: `${nameOf(run.directory)}: damaged: ${run.message}`,
    isBrief: true,
    identity: `${run.name}.damaged`,
    facts: [],
    notes: [],
    judgements: [
      {
        name: 'readable',
        id: 'readable',
        verdict: 'inconclusive',
        sentence: `Damaged: ${run.message}.`,
        isInHead: true,
      },
    ],
    warnings: NO_WARNINGS,
  };
}

function groupSubject(group: GroupReview, runs: readonly RunReview[], place: PlaceOf): Subject {
  const { name, seeds, gates, comparison } = group;
  const members = runs.filter(run => run.name === name && group.runs.includes(run.run_id));
  const files = [...new Set(members.flatMap(({ config_files }) => config_files))];
  const which = seeds.map(seed => seed ?? '?').join(', ');
  const what = [name, ...distinctWords(group, ' ')].join(', ');
  const about =
    group.runs.length === 1 ? `${what}, seed ${which}` : `${what}, ${group.runs.length} runs, seeds ${which}`;
  return {
    kind: 'subject',
    about,
    head: about,
    isBrief: false,
    identity: [name, ...distinctWords(group, '='), 'over-seeds'].join('.'),
    facts: [],
    notes: groupNotes(group),
    judgements: [
      ...gates.map(gate => gateJudgement(gate, place(gate, files))),
      ...(comparison?.metrics ?? []).map(metric => comparisonJudgement(metric, comparison?.file ?? '')),
    ],
    warnings: NO_WARNINGS,
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
  const known = PINNED.filter(kind => !not_pinned.some(one => one === kind));
  return [...leftOut, `${known.slice(0, -1).join(', ')} and ${known.at(-1)} are those of ${file}`, ...drawn];
}

function gateJudgement(gate: GateResult, place: Judgement['place']): Judgement {
  return {
    name: gateName(gate),
    id: `${gateName(gate)} ${askedWords(gate)}`,
    verdict: gate.verdict,
    sentence: gateSentence(gate),
    isInHead: false,
    place,
  };
}

/** `>= 0.97 and <= 1`, `max_drop 0.005 of b.json` */
function askedWords({ min, max, max_drop, max_regress, beats, by, baseline }: GateResult): string {
  const bounds = [
    ...(min === undefined ? [] : [`>= ${min}`]),
    ...(max === undefined ? [] : [`<= ${max}`]),
    ...(max_drop === undefined ? [] : [`max_drop ${max_drop}`]),
    ...(max_regress === undefined ? [] : [`max_regress ${max_regress}`]),
    ...(beats === undefined ? [] : [`beats ${beats}${by === undefined ? '' : ` by ${by}`}`]),
  ];
  return `${bounds.join(' and ')}${baseline === undefined ? '' : ` of ${basename(baseline)}`}`;
}

function comparisonJudgement(result: MetricVerdict, file: string): Judgement {
  const { metric, verdict, value, reason, reference, spread, count, limit, p } = result;
  const measured = value === null ? '' : ` ${rounded(value, 6)}`;
  const noise = spread === null ? '' : ` ± ${rounded(spread, 2)}`;
  const chance = p === undefined ? '' : `, p ${rounded(p, 2)}`;
  const worst = limit === undefined ? '' : `; up to ${rounded(limit, 6)} passes`;
  const name = `${metric} against ${file}`;
  return {
    name,
    id: name,
    verdict,
    sentence: `${metric}${measured} ${verdict} against ${rounded(reference, 6)}${noise} (${counted(count, 'run')} of ${file}): ${reason}${chance}${worst}.`,
    isInHead: false,
  };
}

/** More lines cannot be distinguished. */
const MAX_LINES = 6;

/** The finite values of the test curves of a group's first runs. */
function chartsOf(group: GroupReview, runs: readonly RunReview[], curves: Reviewed['curves']): Chart[] {
  const members = group.runs
    .map(id => curves[runs.findIndex(run => run.run_id === id)] ?? {})
    .slice(0, MAX_LINES);
  const names = new Set(members.flatMap(own => Object.keys(own)).filter(name => name.startsWith('test.')));
  return [...names].map(name => ({
    kind: 'chart',
    title: `${group.name}: ${name}, ${largerIsBetter(name) ? 'larger' : 'smaller'} is better`,
    axis: 'step',
    lines: members.flatMap(({ [name]: curve }, i) =>
      curve === undefined
        ? []
        : [
            {
              label: String(i + 1),
              points: curve.steps.flatMap((x, k) => {
                const y = curve.values[k];
                return y === null ? [] : [{ x, y }];
              }),
            },
          ],
    ),
  }));
}
