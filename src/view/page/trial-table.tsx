/** The trials as a table: best first, or as sorted by the reader. */
import type { TrialReport } from '../document.js';
import { Badge, Value } from './base.js';
import { formatNumber } from './format.js';
import { useLink } from './links.js';
import { type SortableColumn, SortableTable } from './sortable-table.js';
import type { SweepParts } from './sweep-view.js';

export function TrialTable({ report, chosen, stressed, onStress }: SweepParts) {
  const link = useLink();
  const { metric } = report.objective;
  const hasSpread = report.trials.some(({ spread }) => spread !== null);
  const columns: readonly SortableColumn<TrialReport>[] = [
    {
      name: 'trial',
      title: 'trial',
      sortBy: row => row.trial,
      show: row => {
        const href = row.runs.length === 1 ? link(row.runs[0].path) : undefined;
        return href === undefined ? row.trial : <a href={href}>{row.trial}</a>;
      },
    },
    {
      name: 'state',
      title: 'state',
      isText: true,
      sortBy: row => row.state,
      show: row => <Badge of={row.state} />,
    },
    { name: 'epochs', title: 'epochs', sortBy: row => row.epochs, show: row => row.epochs },
    {
      name: metric,
      title: metric,
      sortBy: row => row.value,
      show: row => <Value metric={metric} value={row.value} />,
    },
    ...(hasSpread
      ? [
          {
            name: 'spread',
            title: '± over seeds',
            sortBy: (row: TrialReport) => row.spread,
            show: (row: TrialReport) => <Value metric={metric} value={row.spread} />,
          },
        ]
      : []),
    ...report.parameters.map(
      ({ name, title, scale, values }): SortableColumn<TrialReport> => ({
        name,
        title,
        isText: scale === 'category' && values.some(value => Number.isNaN(Number(value))),
        sortBy: row => row.point[name],
        show: row => pointValue(row.point[name]),
      }),
    ),
    {
      name: 'seconds',
      title: 'seconds',
      sortBy: row => row.seconds,
      show: row => row.seconds.toFixed(row.seconds < 10 ? 1 : 0),
    },
  ];
  return (
    <SortableTable
      label="Trials"
      columns={columns}
      rows={chosen}
      keyOf={row => row.trial}
      classOf={row =>
        [row.trial === report.best ? 'best' : '', row.trial === stressed ? 'stressed' : ''].join(' ')
      }
      onPoint={row => onStress(row?.trial ?? null)}
    />
  );
}

function pointValue(value: number | string | undefined) {
  if (value === undefined) return '–';
  return typeof value === 'number' ? <data value={String(value)}>{formatNumber(value)}</data> : value;
}
