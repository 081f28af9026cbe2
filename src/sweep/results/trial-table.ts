/** Trials as a table: what they reached, and of what was set only what differs between them. */
import type { SweepPlan } from '../plan.js';
import { canonical, describeValue, type Value } from '../space.js';
import type { Cell, Column, Table } from './table.js';
import type { TrialRow } from './trials.js';

interface Field extends Column {
  of(row: TrialRow): Cell;
}

/**
 * The rows in the order given. `changed`: of the parameters only those that differ between these
 * rows.
 */
export function trialTable(
  plan: SweepPlan,
  rows: readonly TrialRow[],
  { changed }: { readonly changed: boolean },
): Table {
  const parameters = plan.space.parameters.map(({ name }) => name);
  const kept = changed ? parameters.filter(name => differs(rows, name)) : parameters;
  const fields = [...measuredFields(plan), ...kept.map(name => parameterField(name, titles(parameters)))];
  return {
    columns: fields.map(({ name, title, show }) => ({
      name,
      ...(title !== undefined && { title }),
      ...(show !== undefined && { show }),
    })),
    rows: rows.map(row => fields.map(field => field.of(row))),
  };
}

/** All columns, and the results of each seed: what `trials.csv` has. */
export function fullTable(plan: SweepPlan, rows: readonly TrialRow[]): Table {
  const table = trialTable(plan, rows, { changed: false });
  const { seeds, objective } = plan;
  const perSeed = seeds.length > 1 ? seeds : [];
  return {
    columns: [...table.columns, ...perSeed.map(seed => ({ name: `${objective.metric}_seed_${seed}` }))],
    rows: table.rows.map((cells, i) => [
      ...cells,
      ...perSeed.map(seed => rows[i].seeds.find(result => result.seed === seed)?.value ?? null),
    ]),
  };
}

function measuredFields({ objective, seeds }: SweepPlan): Field[] {
  const digits = (value: number): string => String(Number(value.toPrecision(5)));
  const spread: Field = { name: 'spread', show: digits, of: row => row.spread };
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

function parameterField(name: string, title: ReadonlyMap<string, string>): Field {
  return {
    name,
    title: title.get(name) ?? name,
    show: value => String(Number(value.toPrecision(4))),
    of: ({ point }) => {
      const value = point[name];
      if (value === undefined) return null;
      return typeof value === 'number' ? value : value === null ? 'null' : describeValue(value);
    },
  };
}

function differs(rows: readonly TrialRow[], name: string): boolean {
  const texts = rows.map(({ point }) => textOf(point[name]));
  return texts.some(text => text !== texts[0]);
}

function textOf(value: Value | undefined): string {
  return value === undefined ? '' : canonical(value);
}

/** The last word of each key where no other ends in it. */
function titles(names: readonly string[]): ReadonlyMap<string, string> {
  const short = (name: string): string =>
    name
      .split(',')
      .map(key => key.split('.').at(-1) ?? key)
      .join(',');
  const count = (title: string): number => names.filter(name => short(name) === title).length;
  return new Map(names.map(name => [name, count(short(name)) === 1 ? short(name) : name]));
}
