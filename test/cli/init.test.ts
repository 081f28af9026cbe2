/** `init`: its configs are valid and describe the table. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { Workplace } from '../support/cli.js';
import { callInProcess } from '../support/in-process.js';

const work = new Workplace();
t.teardown(() => work.remove());

/** Runs the program in `cwd`. */
const cellrun = (cwd: string, ...args: string[]) => callInProcess(args, { ...work.place, cwd });

/** The config that `init` writes for a table, and its output. */
async function from(csv: string, ...flags: string[]) {
  const file = work.file('data.csv', csv);
  const cwd = dirname(file);
  const { code, stdout, stderr } = await cellrun(cwd, 'init', '--from', 'data.csv', ...flags);
  const path = join(cwd, 'data.cellrun.yaml');
  if (!existsSync(path)) return { code, stdout, stderr, config: undefined, found: 'no config' };
  const valid = await cellrun(cwd, 'validate', 'data.cellrun.yaml');
  const found = `exit ${valid.code}${valid.stderr}`;
  return { code, stdout, stderr, config: parse(readFileSync(path, 'utf8')), found };
}

function table(header: string, rows: number, row: (i: number) => string): string {
  return `${header}\n${Array.from({ length: rows }, (_, i) => row(i)).join('\n')}\n`;
}

for (const template of ['csv', 'text', 'forecast', 'mnist'])
  t.test(`the template ${template} is valid, and nothing is overwritten`, async t => {
    const cwd = work.folder();
    const written = await cellrun(cwd, 'init', 'mine.yaml', '--template', template);
    t.match(
      written,
      { code: 0, stdout: /^Wrote mine\.yaml(.| and .*)*\n\nNext: .* mine\.yaml\n$/m },
      written.stderr,
    );
    const valid = await cellrun(cwd, 'validate', 'mine.yaml');
    t.match(valid, { code: 0, stdout: /^mine\.yaml: valid \(/, stderr: '' }, valid.stdout);
    const text = readFileSync(join(cwd, 'mine.yaml'), 'utf8');
    writeFileSync(join(cwd, 'mine.yaml'), 'kept');
    const again = await cellrun(cwd, 'init', 'mine.yaml', '--template', template);
    t.match(again, { code: 2, stderr: /^mine\.yaml: this file exists\n.*--force/ });
    t.equal(readFileSync(join(cwd, 'mine.yaml'), 'utf8'), 'kept');
    t.equal((await cellrun(cwd, 'init', 'mine.yaml', '--template', template, '--force')).code, 0);
    t.equal(readFileSync(join(cwd, 'mine.yaml'), 'utf8'), text);
  });

t.test('the sample of waves trains to better than its baseline', async t => {
  const cwd = work.folder();
  await cellrun(cwd, 'init', '--template', 'csv');
  const fast = ['--set', 'training.num_epochs=5', '--set', 'model.hidden_size=16', '--backend', 'webasm'];
  const ran = await cellrun(cwd, 'waves.cellrun.yaml', ...fast, '--json');
  t.equal(ran.code, 0, ran.stderr);
  const { gates, baselines, metrics } = JSON.parse(ran.stdout);
  t.match(gates, [{ metric: 'test.accuracy', verdict: 'passed' }]);
  t.ok(metrics.test.accuracy > baselines.test.majority.accuracy);
});

t.test('rows of a group with one label are a sequence', async t => {
  const csv = table('session,t,x,y z,mood', 200, i => {
    const session = Math.floor(i / 5);
    return `${session},${i % 5},${Math.sin(i)},${i % 7},${session % 2 ? 'glad' : 'sad'}`;
  });
  const { code, stdout, config, found } = await from(csv);
  t.equal(code, 0);
  t.match(config, {
    name: 'data',
    dataset: {
      kind: 'csv',
      path: 'data.csv',
      sequence: { group: 'session', order: 't' },
      features: ['x', 'y z'],
      target: 'mood',
      target_kind: 'class',
      normalize: 'standard',
      validation: { fraction: 0.2, select: 'stratified' },
    },
    loss: { kind: 'cross_entropy' },
    gates: [{ metric: 'test.accuracy', beats: 'trivial' }],
  });
  t.match(
    stdout,
    /^target +mood \(2 classes\)\nsequences +40, the rows of each session\norder +t\nfeatures +x, y z\n/m,
  );
  t.equal(found, 'exit 0');
});

t.test('targets of steps, numbers, rows without a group, symbols', async t => {
  const steps = await from(
    table('id,value,label', 300, i => `s${Math.floor(i / 10)},${(i * i) % 97},${i % 3 ? 'up' : 'down'}`),
  );
  t.match(steps.config, {
    dataset: { sequence: { group: 'id', per_step: true } },
    model: { head: { from: 'every' } },
  });
  t.equal(steps.found, 'exit 0');

  const rows = await from(
    table('length,width,price', 120, i => `${i % 11},${(i * 7) % 13},${(i * 31) % 97}.5`),
  );
  t.match(rows.config, {
    dataset: { features: ['length', 'width'], target: 'price', target_kind: 'value' },
    loss: { kind: 'mse' },
  });
  t.notOk(rows.config.dataset.sequence);
  t.equal(rows.found, 'exit 0');

  const symbols = await from(
    table('word_id,letter,language', 400, i => {
      const word = Math.floor(i / 4);
      return `${word},${'abcdefg'[(i * 3) % 7]},${word % 2 ? 'old' : 'new'}`;
    }),
  );
  t.match(symbols.config, {
    dataset: { features: ['letter'], input_kind: 'symbol', target: 'language' },
    model: { embedding: { size: 16 } },
  });
  t.equal(symbols.found, 'exit 0');

  const texts = await from(
    table('who,review,stars', 60, i => `p${i},"${['a good film', 'a bad, bad film'][i % 2]} ${i}",${i % 2}`),
  );
  t.match(texts.config, {
    dataset: {
      features: ['review'],
      input_kind: 'text',
      level: 'word',
      target: 'stars',
      target_kind: 'class',
    },
    model: { embedding: { size: 16 } },
  });
  t.notOk(texts.config.dataset.sequence);
  t.equal(texts.found, 'exit 0');
});

const day = (i: number) => new Date(Date.UTC(2024, 0, 1) + i * 86_400_000).toISOString().slice(0, 10);

t.test('a number over time is forecast', async t => {
  const one = await from(table('date,price,sales', 200, i => `${day(i)},${i % 5},${100 + ((i * 13) % 31)}`));
  t.match(one.config, {
    dataset: {
      kind: 'forecast',
      target: 'sales',
      time: 'date',
      features: ['price'],
      calendar: ['day_of_week', 'day_of_year'],
      horizon: 7,
      season: 7,
    },
    gates: [{ metric: 'test.mean_absolute_error', beats: 'trivial' }],
  });
  t.equal(one.found, 'exit 0');

  const hours = (i: number) =>
    new Date(Date.UTC(2024, 0, 1) + i * 3_600_000).toISOString().slice(0, 16).replace('T', ' ');
  const several = await from(
    table('store,time,load', 800, i => `${i < 400 ? 'north' : 'south'},${hours(i % 400)},${(i * 7) % 50}`),
  );
  t.match(several.config, {
    dataset: {
      kind: 'forecast',
      target: 'load',
      series: 'store',
      time: 'time',
      season: 24,
      calendar: ['hour', 'day_of_week'],
    },
  });
  t.equal(several.found, 'exit 0');

  const short = await from(table('date,sales', 30, i => `${day(i)},${i}`));
  t.match(short, { code: 2, stderr: /its shortest series has 30 steps/ });
});

t.test('a series that moves is measured from its level', async t => {
  /** Uniform from -0.5 to 0.5, but the same in each run. */
  const noise = (i: number) => ((i * 2_654_435_761) % 1009) / 1009 - 0.5;
  const weekly = (i: number) => 5 * Math.sin((2 * Math.PI * i) / 7);
  const moving = (valueAt: (i: number) => number) =>
    from(table('date,y', 300, i => `${day(i)},${valueAt(i).toFixed(3)}`));
  const seasonal = await moving(i => 0.1 * i + weekly(i) + noise(i));
  t.match(seasonal.config, {
    dataset: { season: 7, relative_to: 'season' },
    training: { metrics: ['mean_absolute_error', 'rmse', 'mase'] },
    gates: [{ metric: 'test.mase', max: 1 }],
  });
  t.equal(seasonal.found, 'exit 0');
  const rising = await moving(i => 0.1 * i + noise(i));
  t.match(rising.config, {
    dataset: { relative_to: 'last_value' },
    gates: [{ metric: 'test.mean_absolute_error', beats: 'trivial' }],
  });
  t.equal(rising.found, 'exit 0');
  const [still, constant] = [await moving(i => weekly(i) + noise(i)), await moving(() => 3)];
  for (const one of [still, constant]) t.notOk('relative_to' in one.config.dataset);
  // the test split has no say: the last 15 % of the rows
  const late = await moving(i => (i < 255 ? 0 : 0.5 * i) + weekly(i) + noise(i));
  t.notOk('relative_to' in late.config.dataset);
  // rows are in the order of their times, series by series
  const rows = Array.from({ length: 300 }, (_, i) =>
    ['A', 'B'].map(
      name => `${name},${day(i)},${((name === 'A' ? 1 : 1000) * (0.1 * i + weekly(i))).toFixed(3)}`,
    ),
  ).flat();
  const shuffled = rows.map((_, i) => rows[(i * 7) % rows.length]);
  const several = await from(`store,date,y\n${shuffled.join('\n')}\n`);
  t.match(several.config.dataset, { series: 'store', relative_to: 'season' });
  t.equal(several.found, 'exit 0');
});

t.test('a forecast is of a measure, not of a flag or an identifier', async t => {
  const flags = await from(
    table('date,sales,holiday,store_id', 120, i => `${day(i)},${(i * 37) % 101}.5,${Number(i % 7 === 0)},4`),
  );
  t.match(flags.config.dataset, { kind: 'forecast', target: 'sales', features: ['holiday'] });
  t.match(flags.stdout, /^forecast +sales\norder +date\n/m);
  t.match(
    flags.stdout,
    /^The columns are guesses\. To correct one: .* init --from data\.csv --force --target COLUMN \(or --time, --group\)$/m,
  );
  t.equal(flags.found, 'exit 0');
  const two = await from(table('date,heat,cold', 120, i => `${day(i)},${(i * 37) % 101},${(i * 31) % 97}`));
  t.match(two.config.dataset, { target: 'cold', features: ['heat'] });
  t.match(two.stdout, /; other targets: heat$/m);
  const named = await from(
    table('date,heat,cold', 120, i => `${day(i)},${(i * 37) % 101},${(i * 31) % 97}`),
    ...['--target', 'heat', '--time', 'date'],
  );
  t.match(named.config.dataset, { target: 'heat' });
  t.match(
    named.stdout,
    /^The columns are guesses\. To correct one: .* init .*--force --target .* --time .* --group COLUMN$/m,
  );
});

t.test('dates in several columns, or in the form of a country, keep the order of the file', async t => {
  const parts = (i: number) => new Date(day(i));
  const split = await from(
    table('year,month,date_of_month,day_of_week,births', 200, i => {
      const date = parts(i);
      const weekday = date.getUTCDay() || 7;
      return `${date.getUTCFullYear()},${date.getUTCMonth() + 1},${date.getUTCDate()},${weekday},${8000 + ((i * 37) % 101)}`;
    }),
  );
  t.match(split.config.dataset, {
    kind: 'forecast',
    target: 'births',
    known: ['month', 'date_of_month', 'day_of_week'],
    season: 7,
  });
  t.notOk(split.config.dataset.time ?? split.config.dataset.features ?? split.config.dataset.calendar);
  t.equal(split.found, 'exit 0');
  for (const form of [
    (i: number) => day(i).split('-').reverse().join('.'),
    (i: number) => day(i).replace(/(\d+)-(\d+)-(\d+)/, '$2/$3/$1'),
  ]) {
    const local = await from(table('Datum,Wert', 120, i => `${form(i)},${(i * 37) % 101}`));
    t.match(local.config.dataset, { kind: 'forecast', target: 'Wert', season: 7 });
    t.notOk(local.config.dataset.time);
    t.match(local.stdout, /^order +the rows of the file, by Datum$/m);
    t.equal(local.found, 'exit 0');
  }
  const descending = await from(
    table(
      'Datum,Wert,Art',
      60,
      i =>
        `${day(100 - i)
          .split('-')
          .reverse()
          .join('.')},${i}.5,${'ab'[i % 2]}`,
    ),
  );
  t.match(descending.config.dataset, { kind: 'csv', target: 'Art', features: ['Wert'] });
});

t.test('texts of few kinds are classes, wherever their column is', async t => {
  const first = await from(table('kind,a,b', 90, i => `${'xyz'[i % 3]},${(i * 7) % 23}.5,${(i * 5) % 31}.5`));
  t.match(first.config.dataset, { target: 'kind', target_kind: 'class', features: ['a', 'b'] });
  t.match(first.stdout, /; other targets: a, b$/m);
  const several = await from(
    table('style,city,area,cost', 90, i => `${'xyz'[i % 3]},${'uv'[i % 2]},${i % 23}.5,${(i * 5) % 31}.5`),
  );
  t.match(several.config.dataset, { target: 'cost', target_kind: 'value' });
});

t.test('a bad cell is named', async t => {
  const odd = await from(
    table('id,a,b,kind', 60, i => `s${i >> 2},${i === 20 ? '?' : i},${i % 9},${(i >> 2) % 2 ? 'u' : 'v'}`),
  );
  t.match(odd.config.dataset, { target: 'kind', features: ['b'] });
  t.match(odd.stdout, /^not used +a: 1 cell is not a number, "\?" at data\.csv:22:4$/m);
  const target = await from(
    table('a,b', 60, i => `${i % 7},${i % 20 === 3 ? 'n/a' : `${i}.5`}`),
    '--target',
    'b',
  );
  t.match(target, {
    code: 2,
    stderr: /its target b has bad cells: 3 cells are not numbers, the first "n\/a" at data\.csv:5:3\n/,
  });
  const dates = await from(
    table('date,a,b', 60, i => `${i === 9 ? 'unknown' : day(i)},${i % 7},${(i * 5) % 31}.5`),
  );
  t.match(dates.stdout, /^not used +date: 1 cell is not a date, "unknown" at data\.csv:11:1$/m);
});

t.test('columns are named by the user', async t => {
  const csv = table('a,b,c', 60, i => `${Math.floor(i / 3)},${i % 4},${(i * 5) % 17}`);
  const named = await from(csv, '--target', 'b', '--group', 'a');
  t.match(named.config, {
    dataset: { sequence: { group: 'a' }, features: ['c'], target: 'b', target_kind: 'class' },
  });
  t.equal(named.found, 'exit 0');
  t.match(await from(csv, '--target', 'd'), {
    code: 2,
    stderr: /^--target: data\.csv has no column "d"\n.*a, b, c/,
  });
  t.match(await from(csv, '--target', 'b', '--group', 'b'), {
    code: 2,
    stderr: /must name different columns/,
  });
});

t.test('other delimiters than the comma are found', async t => {
  const commas = await from(table('id,x,label', 80, i => `${i % 20},${i / 2},${i % 20 < 7}`));
  for (const delimiter of [';', '\t', '|']) {
    const text = table('id,x,label', 80, i => `${i % 20},${i / 2},${i % 20 < 7}`);
    const other = await from(text.replaceAll(',', delimiter));
    t.equal(other.found, 'exit 0');
    const { path, ...dataset } = commas.config.dataset;
    t.same(other.config.dataset, { path, delimiter, ...dataset });
  }
  t.equal(commas.found, 'exit 0');
  t.notOk('delimiter' in commas.config.dataset);
});

t.test('unused columns and unusable tables are reported', async t => {
  const gaps = await from(table('x,y,note,label', 80, i => `${i % 6},${i % 7 ? i : ''},hello ${i},${i % 2}`));
  t.same(gaps.config.dataset.features, ['x']);
  t.match(
    gaps.stdout,
    /^not used +y: 12 empty cells, the first at data\.csv:2:3\nnot used +note: not numbers$/m,
  );
  t.equal(gaps.found, 'exit 0');
  const excel = await from(table('a;b;label', 20, i => `${i};1,5;${i % 2}`));
  t.match(excel, {
    code: 5,
    stderr: /^data\.csv:2:3: the number has a comma\n.*\n.*\n {2}expected: a decimal point/,
  });
  t.match(await from(table('x,label', 20, i => `"1,${i}",${i % 2}`)), { code: 5, stderr: /has a comma/ });
  t.match(await from(table('1,2', 20, i => `${i},1`)), { code: 5, stderr: /its first line has numbers/ });
  t.match(await from(table('text,label', 40, i => `hello,${i % 2 ? 'a' : 'b'}`)), {
    code: 2,
    stderr: /no config can be made for this table: no column has a number or a text in every row/,
  });
  t.match(await from(table('a,a,b', 20, i => `${i},1,${i % 2}`)), {
    code: 5,
    stderr: /^data\.csv:1:3: two columns are named "a"\n/,
  });
  t.match(await from('a,b\n'), { code: 5, stderr: /the table has no rows/ });
  t.match(await from(table('x,label', 20, i => `${i},1`)), {
    code: 2,
    stderr: /label has the same value everywhere/,
  });
  const cwd = work.folder();
  const deeper = await cellrun(cwd, 'init', 'a/new/folder/x.yaml', '--template', 'csv');
  t.match(deeper, { code: 0, stdout: /a\/new\/folder\/x\.yaml/ });
  t.match(await cellrun(cwd, 'init'), { code: 2, stderr: /--template mnist \| csv \| text \| forecast/ });
  t.match(await cellrun(cwd, 'init', '--from', 'none.csv'), { code: 2, stderr: /^none\.csv: / });
  writeFileSync(join(cwd, 'empty.txt'), '');
  t.match(await cellrun(cwd, 'init', '--from', 'empty.txt'), {
    code: 5,
    stderr: /^empty\.txt: the file is empty\n/,
  });
  t.notOk(existsSync(join(cwd, 'empty.cellrun.yaml')));
  writeFileSync(join(cwd, 'two.txt'), 'ab');
  t.match(await cellrun(cwd, 'init', '--from', 'two.txt'), {
    code: 2,
    stderr: /^two\.txt: no config can be made for these data: the training split has too little text\n/,
  });
  writeFileSync(join(cwd, 'latin.txt'), Buffer.from('un caf\xe9, s.v.p. '.repeat(20), 'latin1'));
  t.match(await cellrun(cwd, 'init', '--from', 'latin.txt'), {
    code: 5,
    stderr: /^latin\.txt:1:7: the file is not UTF-8 text\n/,
  });
  t.notOk(existsSync(join(cwd, 'two.cellrun.yaml')) || existsSync(join(cwd, 'latin.cellrun.yaml')));
  t.match(await from(table('id,x,label', 4, i => `${i >> 1},${i},${i >> 1 ? 'up' : 'down'}`)), {
    code: 2,
    stderr: /^data\.csv: no config can be made for these data: a validation split needs at least two /,
    found: 'no config',
  });
  t.match(await cellrun(cwd, 'init', '--from', 'data.xlsx'), { code: 2, stderr: /ends in \.csv/ });
  t.match(await cellrun(cwd, 'init', 'x.txt', '--template', 'csv'), {
    code: 2,
    stderr: /^x\.txt: a config is a YAML file/,
  });
});
