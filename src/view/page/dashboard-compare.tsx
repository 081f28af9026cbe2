/** Several runs side by side: their curves in one chart, metrics, significance and settings. */

import { useMemo } from 'preact/hooks';
import { capital, isShare, words } from '../../util/numbers.js';
import type { Cell } from '../../util/table.js';
import type { Block } from '../blocks.js';
import type { ComparisonReport } from '../server/sources.js';
import { pathHash } from './address.js';
import { type ChartPlan, type ChartSeries, Charts } from './chart.js';
import { Badge, Breakable, type Column, TableSection, Value } from './components.js';
import { byImportance, distinct } from './run-list.js';
import { isConstant } from './scales.js';

type Compared = ComparisonReport['runs'][number];

export function ComparisonView({ report }: { readonly report: ComparisonReport }) {
  const { runs, blocks } = report;
  const plans = useMemo(() => comparedCurves(runs), [runs]);
  return (
    <article class="comparison wide">
      <header>
        <h1>Comparison of {runs.length} runs</h1>
      </header>
      <Runs runs={runs} />
      <Charts plans={plans} />
      {blocks.map((block, i) => (
        <BlockView key={String(i)} block={block} />
      ))}
    </article>
  );
}

function Runs({ runs }: { readonly runs: readonly Compared[] }) {
  const names = distinct(runs.flatMap(({ report }) => report.metrics.map(({ name }) => name)));
  return (
    <TableSection
      title="Runs"
      kind="numbers compared"
      columns={[
        {
          name: 'run',
          isText: true,
          show: ({ path, report }, i) => (
            <>
              <span class={swatchOf(i)} aria-hidden="true" /> {report.name}{' '}
              <a class="id" href={pathHash('run', path)}>
                {report.id}
              </a>
            </>
          ),
        },
        { name: 'side', isText: true, show: ({ side }) => side },
        { name: 'state', isText: true, show: ({ report }) => <Badge of={report.state} /> },
        ...names.toSorted(byImportance).map(
          (name): Column<Compared> => ({
            name,
            show: ({ report }) => (
              <Value metric={name} value={report.metrics.find(metric => metric.name === name)?.value} />
            ),
          }),
        ),
        { name: 'epochs', show: ({ report }) => report.epochs },
        { name: 'seed', show: ({ report }) => report.seed ?? '–' },
      ]}
      rows={runs}
      keyOf={({ path }) => path}
    />
  );
}

function BlockView({ block }: { readonly block: Block }) {
  switch (block.kind) {
    case 'paragraph':
      return <p>{block.text}</p>;
    case 'list':
      return (
        <ul class="note sentences">
          {block.items.map(item => (
            <li key={item}>{item}</li>
          ))}
        </ul>
      );
    case 'table': {
      const { title = 'Sides', table } = block;
      const columns = table.columns.map(
        ({ name }, i): Column<readonly Cell[]> => ({
          name,
          show: (row, k) => (i === 0 ? <Breakable text={nameOf(table.rows, k)} /> : (row[i] ?? '–')),
        }),
      );
      return <TableSection title={title} kind="differences" columns={columns} rows={table.rows} />;
    }
    default:
      return null;
  }
}

function nameOf(rows: readonly (readonly Cell[])[], at: number): string {
  return String(rows.slice(0, at + 1).findLast(([name]) => name !== '')?.[0]);
}

/** Number of colours in the style sheet; further runs are dashed. */
const COLORS = 6;

function colorOf(number: number): Pick<ChartSeries, 'color' | 'isDashed'> {
  return { color: `run-${(number % COLORS) + 1}`, isDashed: number >= COLORS };
}

function swatchOf(number: number): string {
  const { color, isDashed } = colorOf(number);
  return `swatch ${color} ${isDashed ? 'dashed' : ''}`;
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
      series: compared.flatMap(({ path, report }, i): ChartSeries[] => {
        const curve = report.curves[name];
        const label = isOneName ? report.id : `${report.name} ${report.id}`;
        return curve ? [{ name: path, label, curve, places: report, ...colorOf(i) }] : [];
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
