/** Several runs side by side: their curves in one chart, metrics, significance and settings. */

import { useEffect, useMemo, useState } from 'preact/hooks';
import { capital, formatNumber, isShare, words } from '../../util/numbers.js';
import type { ComparisonReport, ListDocument, Listed, Measured, RunReport } from '../document.js';
import { encodePath, hashOf, MAX_COMPARED, NO_FILTER } from './address.js';
import { applyListChange } from './changes.js';
import type { ChartSeries } from './chart.js';
import { Badge, Breakable, type Column, Section, Table, Value } from './components.js';
import { byImportance } from './curve-data.js';
import { type ChartPlan, Charts, isConstant } from './curves.js';
import { Alert, useLive, useTitle, Waiting } from './live.js';

export function ComparePage({ paths }: { readonly paths: readonly string[] }) {
  const wanted = useMemo(() => [...new Set(paths)].slice(0, MAX_COMPARED), [paths.join('\n')]);
  const { reports, comparison, trouble } = useReports(wanted);
  useTitle(`Comparison of ${wanted.length} runs`);
  if (wanted.length === 0) return <NothingChosen />;
  const compared = wanted.flatMap((path, i): Compared[] => {
    const report = reports.get(path);
    return report === undefined ? [] : [{ path, report, number: i }];
  });
  if (compared.length === 0) return <Waiting title="Comparison" trouble={trouble} />;
  return (
    <article class="comparison wide">
      <header>
        <h1>Comparison of {wanted.length} runs</h1>
      </header>
      {paths.length > wanted.length && <p class="note">Of more runs the first {MAX_COMPARED} are shown.</p>}
      {trouble !== undefined && <Alert>{trouble}</Alert>}
      <Runs compared={compared} comparison={comparison} />
      <ComparedCharts compared={compared} />
      {comparison !== undefined && <Significance report={comparison} />}
      <Differences compared={compared} comparison={comparison} />
    </article>
  );
}

function NothingChosen() {
  return (
    <article>
      <h1>Comparison</h1>
      <p>
        No runs are chosen. <a href={hashOf({ kind: 'list', filter: NO_FILTER })}>Choose some in the list</a>.
      </p>
    </article>
  );
}

interface ComparedProps {
  readonly compared: readonly Compared[];
}

interface ComparisonProps extends ComparedProps {
  readonly comparison: ComparisonReport | undefined;
}

function Runs({ compared, comparison }: ComparisonProps) {
  const metrics = comparedMetrics(compared, comparison);
  const side = {
    name: 'side',
    isText: true,
    show: ({ path }: Compared) => comparison?.sides.find(({ runs }) => runs.includes(path))?.id,
  };
  return (
    <Section title="Runs">
      <Table
        label="Runs and their metrics"
        kind="numbers compared"
        columns={[
          {
            name: 'run',
            isText: true,
            show: one => (
              <>
                <Key compared={one} /> {one.report.name}{' '}
                <a class="id" href={hashOf({ kind: 'run', path: one.path })}>
                  {one.report.id}
                </a>
              </>
            ),
          },
          ...(comparison === undefined ? [] : [side]),
          { name: 'state', isText: true, show: ({ report }) => <Badge of={report.state} /> },
          ...metrics.map(({ name, best, values }) => ({
            name,
            isBest: ({ path }: Compared) => best.has(path),
            show: ({ path }: Compared) => (
              <>
                <Value metric={name} value={values.get(path)} />
                {best.has(path) && <span class="hidden"> (best)</span>}
              </>
            ),
          })),
          { name: 'epochs', show: ({ report }) => report.epochs },
          { name: 'seed', show: ({ report }) => report.seed ?? '–' },
        ]}
        rows={compared}
        keyOf={({ path }) => path}
      />
    </Section>
  );
}

function Key({ compared: { number } }: { readonly compared: Compared }) {
  const { color, isDashed } = colorOf(number);
  return <span class={`swatch ${color} ${isDashed ? 'dashed' : ''}`} aria-hidden="true" />;
}

function ComparedCharts({ compared }: ComparedProps) {
  const plans = useMemo(() => comparedCurves(compared), [compared]);
  return <Charts plans={plans} />;
}

function Differences({ compared, comparison }: ComparisonProps) {
  const differing = differingValues(compared);
  if (compared.length < 2) return null;
  return (
    <Section title="Config">
      {differing.length === 0 ? (
        <p>All settings are the same.</p>
      ) : (
        <Table
          label="Settings that differ"
          kind="differences"
          columns={[
            { name: 'key', show: ({ key }) => <Breakable text={key} /> },
            ...compared.map(one => ({
              name: one.path,
              title: (
                <>
                  <Key compared={one} /> {one.report.name} <span class="id">{one.report.id}</span>
                </>
              ),
              show: ({ values }: DifferingValue) =>
                values.has(one.path) ? <code>{values.get(one.path)}</code> : '–',
            })),
            ...(comparison === undefined
              ? []
              : [{ name: 'changes', show: ({ key }: DifferingValue) => comparison.changes[key] }]),
          ]}
          rows={differing}
          keyOf={({ key }) => key}
        />
      )}
      {comparison !== undefined && comparison.facts.length > 0 && <OtherDifferences report={comparison} />}
    </Section>
  );
}

/** Differences besides the config. */
function OtherDifferences({ report: { sides, facts } }: { readonly report: ComparisonReport }) {
  return (
    <Table
      label="Data, code and machines that differ"
      kind="differences"
      columns={[
        { name: 'data, code, machine', show: ({ key }) => key },
        ...sides.map(({ id }, i) => ({
          name: id,
          show: ({ values }: ComparisonReport['facts'][number]) => values[i],
        })),
        { name: 'changes', show: fact => (fact.changes_results ? 'perhaps results' : 'nothing') },
      ]}
      rows={facts}
      keyOf={({ key }) => key}
    />
  );
}

interface Reports {
  /** By path; missing if unavailable. */
  readonly reports: ReadonlyMap<string, RunReport>;
  /** The comparison of all; undefined for a single run, or if one is unavailable. */
  readonly comparison: ComparisonReport | undefined;
  readonly trouble: string | undefined;
}

const NONE: Reports = { reports: new Map(), comparison: undefined, trouble: undefined };

export function useReports(paths: readonly string[]): Reports {
  const list = useLive<ListDocument>('/api/list', applyListChange);
  const [got, setGot] = useState<Reports>(NONE);
  const rows = paths.map(path => list.document && rowOf(path, list.document));
  // an entry of the list changes exactly when the run's files change
  const version = list.document === undefined ? undefined : JSON.stringify(rows);
  useEffect(() => {
    if (version === undefined) return;
    const stop = new AbortController();
    readAll(paths, stop.signal).then(
      reports => setGot(reports),
      error => {
        if (!stop.signal.aborted) setGot(old => ({ ...old, trouble: String(error) }));
      },
    );
    return () => stop.abort();
  }, [paths, version]);
  return { ...got, trouble: list.trouble ?? got.trouble };
}

/** The entry of a trial is that of its sweep. */
function rowOf(path: string, { runs, sweeps }: ListDocument): Listed | undefined {
  return (
    runs.find(run => run.path === path) ?? sweeps.find(sweep => path.startsWith(`${sweep.path}/trials/`))
  );
}

async function readAll(paths: readonly string[], signal: AbortSignal): Promise<Reports> {
  const loaded = await Promise.all(
    paths.map(async path => {
      const response = await fetch(`/api/runs/${encodePath(path)}`, { signal });
      return { path, ok: response.ok, value: await response.json() };
    }),
  );
  const comparison = paths.length < 2 ? undefined : await readComparison(paths, signal);
  const failed = loaded.find(({ ok }) => !ok);
  return {
    reports: new Map(loaded.filter(({ ok }) => ok).map(({ path, value }) => [path, value as RunReport])),
    comparison,
    trouble: failed && `${failed.path}: ${failed.value.error}`,
  };
}

/** If one of the runs cannot be read, its own response says why. */
async function readComparison(
  paths: readonly string[],
  signal: AbortSignal,
): Promise<ComparisonReport | undefined> {
  const query = new URLSearchParams(paths.map(path => ['run', path]));
  const response = await fetch(`/api/comparison?${query}`, { signal });
  return response.ok ? ((await response.json()) as ComparisonReport) : undefined;
}

type Metric = ComparisonReport['metrics'][number];

export function Significance({ report }: { readonly report: ComparisonReport }) {
  const { sides, metrics, sentences } = report;
  if (metrics.length === 0) return null;
  const isCompared = sides.length > 1;
  const rows = metrics.flatMap(({ metric, sides: measured, comparisons }) =>
    measured.map(one => ({
      ...one,
      metric,
      against: comparisons.find(({ side }) => side === one.side),
    })),
  );
  return (
    <Section
      title={isCompared ? 'Differences' : 'Over the seeds'}
      note={
        isCompared
          ? 'Runs that differ only in their seed form one side; the other sides are compared with the first.'
          : 'These runs differ only in their seed.'
      }
    >
      <ul class="sides">
        {sides.map(({ id, name, description }) => (
          <li key={id} data-side={id}>
            <b>{id}</b> {name} <span class="note">{description}</span>
          </li>
        ))}
      </ul>
      <Table
        label="Metrics of the sides"
        kind="numbers significance"
        columns={[
          { name: 'metric', isText: true, show: ({ metric }) => metric },
          { name: 'side', isText: true, show: ({ side }) => side },
          { name: 'runs', show: ({ n }) => n },
          { name: 'mean', show: ({ metric, mean }) => <Value metric={metric} value={mean} /> },
          { name: 'spread', show: ({ metric, spread }) => <Value metric={metric} value={spread} /> },
          ...(isCompared ? AGAINST : []),
        ]}
        rows={rows}
        keyOf={({ metric, side }) => `${metric} ${side}`}
      />
      <ul class="note sentences">
        {sentences.map(sentence => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
    </Section>
  );
}

interface MeasuredSide extends Pick<Metric['sides'][number], 'side' | 'n' | 'mean' | 'spread'> {
  readonly metric: string;
  readonly against: Metric['comparisons'][number] | undefined;
}

/** Of each side but the first. */
const AGAINST: readonly Column<MeasuredSide>[] = [
  { name: 'difference', show: ({ metric, against }) => against && signed(metric, against.difference) },
  {
    name: '95 % interval',
    show: ({ metric, against }) =>
      against?.interval &&
      `${signed(metric, against.interval.low)} to ${signed(metric, against.interval.high)}`,
  },
  {
    name: 'p',
    show: ({ against }) => against?.test && <Value metric="p" value={against.test.p_adjusted} />,
  },
  { name: 'verdict', isText: true, show: ({ against }) => against && <Badge of={against.verdict} /> },
];

/** Differences of shares are in percentage points. */
function signed(metric: string, value: number | null): string {
  if (value === null) return '–';
  const text = isShare(metric) ? formatNumber(100 * value, 3) : formatNumber(value, 3);
  const unit = isShare(metric) ? ' points' : '';
  return `${value > 0 ? '+' : ''}${text.replace('-', '−')}${unit}`;
}

export interface Compared {
  readonly path: string;
  readonly report: RunReport;
  /** Its index among the requested runs, which determines its colour. */
  readonly number: number;
}

/** Number of colours in the style sheet; further runs are dashed. */
const COLORS = 6;

export function colorOf(number: number): Pick<ChartSeries, 'color' | 'isDashed'> {
  return { color: `run-${(number % COLORS) + 1}`, isDashed: number >= COLORS };
}

const TITLES: Readonly<Record<string, string>> = {
  'train.loss': 'Train loss, each batch',
  grad_norm: 'Gradient norm',
  samples_per_s: 'Samples per second',
};

/**
 * One chart per curve with one line per run; none for values that were measured once, which a table
 * shows.
 */
export function comparedCurves(compared: readonly Compared[]): readonly ChartPlan[] {
  const names = [...new Set(compared.flatMap(({ report }) => Object.keys(report.curves)))];
  const isTelling = (name: string) =>
    compared.some(({ report: { curves } }) => {
      const curve = curves[name];
      return curve && curve.steps.length > 1 && !(name === 'learning_rate' && isConstant(curve));
    });
  return names
    .filter(isTelling)
    .sort(byImportance)
    .map(name => ({
      title: titleOf(name),
      isShare: isShare(name),
      series: compared.flatMap(({ path, report, number }): ChartSeries[] => {
        const curve = report.curves[name];
        return curve === undefined
          ? []
          : [{ name: path, label: labelOf(report, compared), curve, places: report, ...colorOf(number) }];
      }),
    }));
}

function titleOf(name: string): string {
  const [, metric] = /^epoch\.(.+)$/.exec(name) ?? [];
  return TITLES[name] ?? (metric ? `Train ${words(metric)}, mean of the epoch` : capital(words(name)));
}

/** The shortest names that distinguish the runs. */
function labelOf({ name, id }: RunReport, compared: readonly Compared[]): string {
  const isOne = compared.every(({ report }) => report.name === name);
  return isOne ? id : `${name} ${id}`;
}

export interface ComparedMetric {
  readonly name: string;
  /** By the path of the run. */
  readonly values: ReadonlyMap<string, Measured>;
  /** Paths of the runs with the best value; empty if all are equal. */
  readonly best: ReadonlySet<string>;
}

/** @param comparison has the direction of each metric; without it no value is marked as best */
export function comparedMetrics(
  compared: readonly Compared[],
  comparison: ComparisonReport | undefined,
): readonly ComparedMetric[] {
  const names = [...new Set(compared.flatMap(({ report }) => report.metrics.map(({ name }) => name)))];
  return names.sort(byImportance).map(name => {
    const values = new Map(
      compared.flatMap(({ path, report }) =>
        report.metrics.filter(metric => metric.name === name).map(({ value }) => [path, value] as const),
      ),
    );
    const finite = [...values.values()].filter(value => typeof value === 'number');
    const direction = comparison?.metrics.find(({ metric }) => metric === name);
    const best = direction?.larger_is_better ? Math.max(...finite) : Math.min(...finite);
    const isTold = direction !== undefined && new Set(finite).size > 1;
    return {
      name,
      values,
      best: new Set(isTold ? [...values].filter(([, value]) => value === best).map(([path]) => path) : []),
    };
  });
}

export interface DifferingValue {
  readonly key: string;
  /** By the path of the run; absent if its config lacks the key. */
  readonly values: ReadonlyMap<string, string>;
}

/** Config keys whose values differ. */
export function differingValues(compared: readonly Compared[]): readonly DifferingValue[] {
  const byKey = new Map<string, Map<string, string>>();
  for (const { path, report } of compared) {
    for (const { key, value } of report.config) {
      const values = byKey.get(key) ?? new Map<string, string>();
      byKey.set(key, values.set(path, value));
    }
  }
  return [...byKey]
    .map(([key, values]) => ({ key, values }))
    .filter(({ values }) => values.size < compared.length || new Set(values.values()).size > 1);
}
