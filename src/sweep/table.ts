import { rounded } from '../util/numbers.js';
import { type Field, type Table, tableOf } from '../util/table.js';
import type { SweepPlan } from './schedule/plan.js';
import { canonical, describeValue, type Point } from './search/space.js';
import type { TrialRow } from './trials.js';

/** `changed`: of the parameters only those that differ between these trials. */
export function trialTable(
  plan: SweepPlan,
  rows: readonly TrialRow[],
  { changed }: { readonly changed: boolean },
): Table {
  const parameters = parameterFields(plan).filter(({ name }) => !changed || differs(rows, name));
  return tableOf<TrialRow>([...measuredFields(plan), ...parameters], rows);
}

/** All columns, and the results of each seed, as in `trials.csv`. */
export function fullTable(plan: SweepPlan, rows: readonly TrialRow[]): Table {
  const seeds = plan.seeds.length > 1 ? plan.seeds : [];
  const results = seeds.map(
    (seed): Field<TrialRow> => ({
      name: `${plan.objective.metric}_seed_${seed}`,
      of: row => row.seeds.find(result => result.seed === seed)?.value ?? null,
    }),
  );
  return tableOf<TrialRow>([...measuredFields(plan), ...parameterFields(plan), ...results], rows);
}

function measuredFields({ objective, seeds }: SweepPlan): Field<TrialRow>[] {
  const digits = (value: number): string => rounded(value, 5);
  const spread: Field<TrialRow> = { name: 'spread', show: digits, of: row => row.spread };
  return [
    { name: 'trial', of: row => row.trial },
    { name: 'state', of: row => row.state },
    { name: 'epochs', of: row => row.epochs },
    { name: objective.metric, show: digits, of: row => row.value },
    ...(seeds.length > 1 ? [spread] : []),
    {
      name: 'seconds',
      show: value => value.toFixed(value < 10 ? 1 : 0),
      of: row => Number(row.seconds.toFixed(3)),
    },
  ];
}

/** The parameters, titled by the last part of their keys if that is unique. */
export function parameterFields({ space }: Pick<SweepPlan, 'space'>): Field<{ readonly point: Point }>[] {
  const short = (name: string): string =>
    name
      .split(',')
      .map(key => key.split('.').at(-1) ?? key)
      .join(',');
  const titles = space.parameters.map(({ name }) => short(name));
  return space.parameters.map(({ name }, i) => ({
    name,
    title: titles.filter(title => title === titles[i]).length === 1 ? titles[i] : name,
    show: value => rounded(value),
    of: ({ point }) => {
      const value = point[name];
      if (value === undefined) return null;
      return typeof value === 'number' ? value : value === null ? 'null' : describeValue(value);
    },
  }));
}

function differs(rows: readonly TrialRow[], name: string): boolean {
  const texts = rows.map(({ point }) => (point[name] === undefined ? '' : canonical(point[name])));
  return texts.some(text => text !== texts[0]);
}
