/** Several runs side by side: their curves in one chart, metrics, significance and settings. */

import { useMemo } from 'preact/hooks';
import { capital, formatNumber, isShare, words } from '../../util/numbers.js';
import type { ComparisonReport, RunReport } from '../document.js';
import { pathHash } from './address.js';
import type { ChartSeries } from './chart.js';
import { Badge, Breakable, type Column, Section, Table, Value } from './components.js';
import { byImportance } from './curve-data.js';
import { type ChartPlan, Charts, isConstant } from './curves.js';
import { distinct } from './run-list.js';

interface Compared {
  readonly path: string;
  readonly report: RunReport;
  /** Determines its colour. */
  readonly number: number;
}

export function ComparisonView({ report }: { readonly report: ComparisonReport }) {
  const compared = useMemo(() => report.runs.map((run, number) => ({ ...run, number })), [report]);
  const plans = useMemo(() => comparedCurves(compared), [compared]);
  return (
    <article class="comparison wide">
      <header>
        <h1>Comparison of {compared.length} runs</h1>
      </header>
      <Runs compared={compared} comparison={report} />
      <Charts plans={plans} />
      <Significance comparison={report} />
      <Differences compared={compared} comparison={report} />
    </article>
  );
}

interface ComparisonProps {
  readonly compared: readonly Compared[];
  readonly comparison: ComparisonReport;
}

function Runs({ compared, comparison }: ComparisonProps) {
  const metrics = distinct(compared.flatMap(({ report }) => report.metrics.map(({ name }) => name)));
  return (
    <Section title="Runs">
      <Table<Compared>
        label="Runs and their metrics"
        kind="numbers compared"
        columns={[
          {
            name: 'run',
            isText: true,
            show: one => (
              <>
                <Key of={one} /> {one.report.name}{' '}
                <a class="id" href={pathHash('run', one.path)}>
                  {one.report.id}
                </a>
              </>
            ),
          },
          {
            name: 'side',
            isText: true,
            show: ({ path }) => comparison.sides.find(({ runs }) => runs.includes(path))?.id,
          },
          { name: 'state', isText: true, show: ({ report }) => <Badge of={report.state} /> },
          ...metrics.toSorted(byImportance).map(name => metricColumn(name, compared, comparison)),
          { name: 'epochs', show: ({ report }) => report.epochs },
          { name: 'seed', show: ({ report }) => report.seed ?? '–' },
        ]}
        rows={compared}
        keyOf={({ path }) => path}
      />
    </Section>
  );
}

function metricColumn(
  name: string,
  compared: readonly Compared[],
  { metrics }: ComparisonReport,
): Column<Compared> {
  const valueIn = ({ report }: Compared) => report.metrics.find(metric => metric.name === name)?.value;
  const finite = compared.map(valueIn).filter(value => typeof value === 'number');
  const direction = metrics.find(({ metric }) => metric === name);
  const best = direction?.larger_is_better ? Math.max(...finite) : Math.min(...finite);
  const isBest = (one: Compared) =>
    direction !== undefined && new Set(finite).size > 1 && valueIn(one) === best;
  return {
    name,
    isBest,
    show: one => (
      <>
        <Value metric={name} value={valueIn(one)} />
        {isBest(one) && <span class="hidden"> (best)</span>}
      </>
    ),
  };
}

function Key({ of: { number } }: { readonly of: Compared }) {
  const { color, isDashed } = colorOf(number);
  return <span class={`swatch ${color} ${isDashed ? 'dashed' : ''}`} aria-hidden="true" />;
}

/** The settings that differ, and what else does. */
function Differences({ compared, comparison }: ComparisonProps) {
  const keys = distinct(compared.flatMap(({ report }) => report.config.map(({ key }) => key)));
  const valueIn = (key: string, { report }: Compared) => report.config.find(one => one.key === key)?.value;
  const differing = keys.filter(key => new Set(compared.map(one => valueIn(key, one))).size > 1);
  const { sides, facts, changes } = comparison;
  return (
    <Section title="Config">
      {differing.length === 0 ? (
        <p>All settings are the same.</p>
      ) : (
        <Table<string>
          label="Settings that differ"
          kind="differences"
          columns={[
            { name: 'key', show: key => <Breakable text={key} /> },
            ...compared.map(one => ({
              name: one.path,
              title: (
                <>
                  <Key of={one} /> {one.report.name} <span class="id">{one.report.id}</span>
                </>
              ),
              show: (key: string) => {
                const value = valueIn(key, one);
                return value === undefined ? '–' : <code>{value}</code>;
              },
            })),
            { name: 'changes', show: key => changes[key] },
          ]}
          rows={differing}
          keyOf={key => key}
        />
      )}
      {facts.length > 0 && (
        <Table<ComparisonReport['facts'][number]>
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
      )}
    </Section>
  );
}

type Metric = ComparisonReport['metrics'][number];

interface MeasuredSide extends Pick<Metric['sides'][number], 'side' | 'n' | 'mean' | 'spread'> {
  readonly metric: string;
  readonly against: Metric['comparisons'][number] | undefined;
}

function Significance({ comparison: { sides, metrics, sentences } }: Pick<ComparisonProps, 'comparison'>) {
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
      <Table<MeasuredSide>
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
  const text = formatNumber(isShare(metric) ? 100 * value : value, 3).replace('-', '−');
  return `${value > 0 ? '+' : ''}${text}${isShare(metric) ? ' points' : ''}`;
}

/** Number of colours in the style sheet; further runs are dashed. */
const COLORS = 6;

function colorOf(number: number): Pick<ChartSeries, 'color' | 'isDashed'> {
  return { color: `run-${(number % COLORS) + 1}`, isDashed: number >= COLORS };
}

/**
 * One chart per curve with one line per run; none for values that were measured once, which a table
 * shows.
 */
function comparedCurves(compared: readonly Compared[]): readonly ChartPlan[] {
  const isOneName = new Set(compared.map(({ report }) => report.name)).size === 1;
  const isTelling = (name: string) =>
    compared.some(({ report: { curves } }) => {
      const curve = curves[name];
      return curve && curve.steps.length > 1 && !(name === 'learning_rate' && isConstant(curve));
    });
  return distinct(compared.flatMap(({ report }) => Object.keys(report.curves)))
    .filter(isTelling)
    .sort(byImportance)
    .map(name => ({
      title: titleOf(name),
      isShare: isShare(name),
      series: compared.flatMap(({ path, report, number }): ChartSeries[] => {
        const curve = report.curves[name];
        const label = isOneName ? report.id : `${report.name} ${report.id}`;
        return curve ? [{ name: path, label, curve, places: report, ...colorOf(number) }] : [];
      }),
    }));
}

const TITLES: Readonly<Record<string, string>> = {
  'train.loss': 'Train loss, each batch',
  grad_norm: 'Gradient norm',
  samples_per_s: 'Samples per second',
};

function titleOf(name: string): string {
  const [, metric] = /^epoch\.(.+)$/.exec(name) ?? [];
  return TITLES[name] ?? (metric ? `Train ${words(metric)}, mean of the epoch` : capital(words(name)));
}
