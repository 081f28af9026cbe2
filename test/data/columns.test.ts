/** Columns of tables that are not plain numbers. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { orderKey } from '../../src/data/csv-columns.js';
import { dateReader } from '../../src/data/formats/dates.js';
import { complaints, fixture, open, sequence } from '../support/data-files.js';

const expected = <T>(name: string): T =>
  JSON.parse(readFileSync(fixture(`../columns/${name}.json`), 'utf8')) as T;

t.test('dates in a format of their own are what strptime reads', async t => {
  const timeOf = orderKey(false);
  for (const [format, cell, iso] of expected<[string, string, string | null][]>('dates')) {
    const found = dateReader(format)(cell);
    const name = `${format} of "${cell}"`;
    if (iso === null) t.equal(found, undefined, name);
    // hours and fractions may be written in several ways
    else t.equal(timeOf(found ?? ''), timeOf(iso), name);
  }
});

t.test('an order column in a format of its own', async t => {
  const path = join(t.testdir(), 'data.csv');
  const config = (date_format?: string) =>
    ({
      kind: 'csv',
      path,
      features: ['v'],
      target: 'y',
      target_kind: 'class',
      test_fraction: 0.5,
      sequence: { group: 'g', order: 'at' },
      ...(date_format && { date_format }),
    }) as const;
  const write = (...dates: string[]) =>
    writeFileSync(path, `at,g,v,y\n${dates.map((at, i) => `${at},${i % 2},${i},a\n`).join('')}`);
  const orderOf = async (format: string) => {
    const data = await open(config(format));
    return [data.train, data.test].map(split => sequence(data, split, 0).flat()).toSorted();
  };
  write('05/01/2024', '05/01/2024', '01/12/2023', '02/12/2023', '01/02/2024', '01/02/2024');
  t.same(await orderOf('%d/%m/%Y'), [
    [2, 0, 4],
    [3, 1, 5],
  ]);
  t.same(await orderOf('%m/%d/%Y'), [
    [2, 4, 0],
    [3, 5, 1],
  ]);
  t.match(await complaints(5, () => open(config())), [
    /^data\/csv-order 2:.*which part is the month is not known .*`dataset.date_format`, such as "%d\/%m\/%Y" or "%m\/%d\/%Y" \| got "05\/01\/2024"/,
  ]);
  write('20240105', '20240105', '20231201', '20231302');
  t.match(await complaints(5, () => open(config('%Y%m%d'))), [
    /^data\/csv-date 5:.*does not match `date_format` .*"%Y%m%d" \| got "20231302"/,
  ]);
});
