/** `init`: which columns it takes for names of recordings, and of what was recorded. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { callInProcess } from '../support/in-process.js';
import { work } from '../support/work.js';

const cellrun = (cwd: string, ...args: string[]) => callInProcess(args, { ...work.place, cwd });

function table(header: string, rows: number, row: (i: number) => string): string {
  return `${header}\n${Array.from({ length: rows }, (_, i) => row(i)).join('\n')}\n`;
}

const MACHINES = 12;
const RUNS = 5;
const STEPS = 8;
const COUNT = MACHINES * RUNS * STEPS;

/** The minute of a step of a run of a machine. */
const CLOCKS = {
  'go on': (machine, run, step) => (machine * RUNS + run) * STEPS + step,
  'go on after a pause': (machine, run, step) => (machine * RUNS + run) * 60 + step,
  'start again in each machine': (_, run, step) => run * 60 + step,
  'overlap between machines': (machine, run, step) => (machine % 4) * 3 + run * 20 + step,
  'start again in each run': (_machine, _run, step) => step,
} as const satisfies Record<string, (machine: number, run: number, step: number) => number>;

type Clock = keyof typeof CLOCKS;

/** Machines of three plants, each with five runs with or without a fault, by name of column. */
function runs(clock: Clock, i: number) {
  const [machine, run, step] = [Math.floor(i / STEPS / RUNS), Math.floor(i / STEPS) % RUNS, i % STEPS];
  const fault = Math.sin(12.9 * machine + 78.2 * run) > 0.1;
  const time = new Date(Date.UTC(2024, 0, 1, 0, CLOCKS[clock](machine, run, step)));
  return {
    plant: `P${machine % 3}`,
    machine: `M${machine}`,
    // as it is numbered in its plant
    unit: `M${Math.floor(machine / 3)}`,
    run: `R${machine * RUNS + run}`,
    // as it is numbered in its machine
    repeat: String(run + 1),
    // as it is numbered in its plant
    order: String(Math.floor(machine / 3) * RUNS + run + 1),
    time: time.toISOString().slice(0, 19).replace('T', ' '),
    vibration: ((fault ? 2 : 1) * Math.sin(i * 1.7)).toFixed(3),
    load: (40 + machine + 0.1 * step + Math.sin(i * i)).toFixed(2),
    fault: fault ? 'bad' : 'ok',
    code: String(Number(fault)),
  };
}

/** A table of these, under the names that follow `=`, or under their own. */
function tableOfRuns(clock: Clock, columns: string): string {
  const list = columns.split(' ').map(one => one.split('=') as [keyof ReturnType<typeof runs>, string?]);
  return table(list.map(([column, name = column]) => name).join(), COUNT, i => {
    const row = runs(clock, i);
    return list.map(([column]) => row[column]).join();
  });
}

const FOUND =
  /^target +(fault|code|c6) \(2 classes\)\nsequences +60, the rows of each (run|repeat|order|c2|c3)( \(`group: \[.*\]`\))?\norder +(time|c3)\nfeatures +.*\n(.*\n)*splits +the rows of each (machine|unit|c1|c2) are in one split/m;

/** Orders of columns, and other names. */
const ORDERS = [
  'machine run time vibration load fault',
  'code machine run time vibration load',
  'time machine run vibration load fault',
  'run fault vibration load time machine',
  'vibration load code time run machine',
  'machine fault time load vibration run',
  'machine=c1 run=c2 time=c3 vibration=c4 load=c5 fault=c6',
  'plant machine run time vibration load code',
] as const;

for (const [k, clock] of (Object.keys(CLOCKS) as Clock[]).entries())
  t.test(`runs of a machine, each with a class, are no series: times that ${clock}`, async t => {
    for (const columns of ORDERS.filter((_, i) => (i + k) % 2 === 0)) {
      const cwd = dirname(work.file('runs.csv', tableOfRuns(clock, columns)));
      const init = (...options: string[]) =>
        cellrun(cwd, 'init', '--from', 'runs.csv', '--force', ...options);
      const guessed = await init();
      t.match(guessed, { code: 0, stdout: FOUND }, `${columns}${guessed.stderr}`);
      const [, target] = /^target +(\w+)/m.exec(guessed.stdout) ?? [];
      t.match(await init('--target', String(target)), { code: 0, stdout: FOUND }, columns);
    }
  });

const LEVELS = [
  'plant unit repeat time vibration load fault',
  'time vibration fault repeat unit plant load',
  'machine repeat time vibration load fault',
  'plant unit order=run time vibration load fault',
  'plant=c1 unit=c2 repeat=run time=c3 vibration=c4 load=c5 fault=c6',
  'time fault vibration order=run load unit plant',
] as const;

for (const [k, clock] of (Object.keys(CLOCKS) as Clock[]).entries())
  t.test(`names that are used again in each machine or plant are joined: times that ${clock}`, async t => {
    for (const columns of LEVELS.filter((one, i) => (i + k) % 2 === 0 || one.includes('order=run'))) {
      const cwd = dirname(work.file('runs.csv', tableOfRuns(clock, columns)));
      const target = columns.endsWith('c6') ? 'c6' : 'fault';
      const found = await cellrun(cwd, 'init', '--from', 'runs.csv', '--force', '--target', target);
      t.match(found, { code: 0, stdout: FOUND }, columns);
      t.match(await cellrun(cwd, 'validate', 'runs.cellrun.yaml'), { code: 0 }, columns);
    }
  });

/** Names that only several columns tell apart, as text in random order. */
const SPLIT_NAMES = [
  {
    title: 'patients of clinics',
    // P0 to P9 of each clinic, 4 visits each: few have the date of another
    csv: table('date,sex,age,patient,clinic,pressure,status', 240, i => {
      const at = (i * 77) % 240;
      const [clinic, patient, visit] = [at % 3, Math.floor(at / 3) % 20, Math.floor(at / 60)];
      const date = new Date(Date.UTC(2024, 0, 1 + 90 * visit + ((patient * (7 + clinic)) % 60)));
      const fact = `${(patient + clinic) % 2 ? 'm' : 'f'},${30 + ((patient * (clinic + 3)) % 41)}`;
      const status = at % 5 > 1 ? 'low' : 'high';
      return `${date.toISOString().slice(0, 10)},${fact},P${patient},clinic ${clinic},${at % 37}.5,${status}`;
    }),
    says: 'date starts again in each clinic and patient',
    joins: ['clinic', 'patient'],
    after: /^target +status \(2 classes\)\nsequences +60, the rows of each patient \(/m,
  },
  {
    title: 'times that many rows have',
    csv: table('subject,hand,time,force', 240, i => {
      return `s${Math.floor(i / 20)},${Math.floor(i / 10) % 2 ? 'left' : 'right'},${i % 10},${(i * i) % 13}.5`;
    }),
    says: 'time starts again in each subject and hand',
    joins: ['subject', 'hand'],
    after: /^target +hand \(2 classes\)\n(.*\n)+splits +the rows of each subject /m,
  },
  {
    title: 'machines of plants, under names that tell no group',
    csv: table('plant,machine,second,vib,fault', 300, i => {
      const [unit, second] = [Math.floor(i / 20), i % 20];
      return `${'ABC'[unit % 3]},M${Math.floor(unit / 3)},${second},${(i * i) % 13}.5,${unit % 4 > 1 ? 'bad' : 'good'}`;
    }),
    says: 'second starts again in each plant and machine',
    joins: ['plant', 'machine'],
    after: /^target +fault \(2 classes\)\n(.*\n)+static +plant \(words\)$/m,
  },
  {
    title: 'cycles of machines in random order',
    csv: table('cycle,temp,t [ms],shift,state,force,machine', 720, i => {
      const at = (i * 77) % 720;
      const [cycle, t] = [Math.floor(at / 10), at % 10];
      const state = Math.sin(cycle * 12.9) > 0 ? 'ok' : 'worn';
      return `${cycle % 6},${(at * at) % 17}.5,${t * 50},s${Math.floor(cycle / 6) % 4},${state},${(at * 7) % 13}.5,${'ABC'[Math.floor(cycle / 24)]}`;
    }),
    says: 't \\[ms\\] starts again in each machine, shift and cycle',
    joins: ['shift', 'machine', 'cycle'],
    after:
      /^sequences +72, .*\norder +t \[ms\]\n(.*\n)*splits .*for a shift and machine that training has not seen together$/m,
  },
  {
    title: 'patients of clinics, in random order with facts in any place',
    csv: table('clinic,patient_id,hour,smoker,age,sex,hr,length_of_stay', 480, i => {
      const at = (i * 77) % 480;
      const [patient, hour] = [Math.floor(at / 10), at % 10];
      const fact = (factor: number) => Math.sin(patient * factor) > 0;
      const facts = `${fact(12.9) ? 'yes' : 'no'},${30 + ((patient * 17) % 41)},${fact(78.2) ? 'm' : 'f'}`;
      return `c${Math.floor(patient / 12)},${patient % 12},${hour},${facts},${(at * at) % 37}.5,${(patient * 7) % 23}.5`;
    }),
    says: 'hour starts again in each clinic and patient_id',
    joins: ['clinic', 'patient_id'],
    after: /^target +length_of_stay \(a number\)\nsequences +48, the rows of each patient_id \(/m,
  },
] as const;

for (const { title, csv, says, joins, after } of SPLIT_NAMES)
  t.test(`a group of several columns is no guess: ${title}`, async t => {
    const cwd = dirname(work.file('data.csv', csv));
    const init = (...options: string[]) => cellrun(cwd, 'init', '--from', 'data.csv', ...options);
    const found = await init();
    t.match(found, { code: 0, stdout: after });
    const config = readFileSync(join(cwd, 'data.cellrun.yaml'), 'utf8');
    t.match(config, `  sequence: { group: [${joins.join(', ')}], order: `);
    t.match(await cellrun(cwd, 'validate', 'data.cellrun.yaml'), { code: 0 });
    const named = await init('--group', joins.join(','), '--force');
    const readOf = ({ stdout }: typeof found) => stdout.split('\n\n')[0];
    t.equal(readOf(named), readOf(found));
    t.match(await init('--group', joins[1], '--force'), {
      code: 0,
      stdout: new RegExp(`^note +${says}`, 'm'),
    });
    t.match(await init('--as', 'rows', '--force'), { code: 0, stdout: /^sequences +every row$/m });
  });

t.test('patients whose numbers are used again in each clinic are no group, whatever their dates', async t => {
  /** Ten visits of 24 patients of each of three clinics, one clinic after the other. */
  const row = (i: number) => {
    const [clinic, patient, visit] = [Math.floor(i / 240), Math.floor(i / 10) % 24, i % 10];
    const date = new Date(Date.UTC(2020 + clinic, 0, 1 + 30 * visit + patient)).toISOString().slice(0, 10);
    return [clinic, patient, date, (i * i) % 89, (i * 7) % 13 > 6 ? 'ill' : 'well'];
  };
  for (const dated of [true, false]) {
    const columns = ['clinic', 'patient', 'date', 'pressure', 'outcome'];
    const chosen = (cells: readonly unknown[]) => cells.filter((_, i) => dated || i !== 2).join();
    const csv = table(chosen(columns), 720, i => chosen(row(i)));
    const cwd = dirname(work.file('visits.csv', csv));
    const refused = await cellrun(cwd, 'init', '--from', 'visits.csv');
    t.match(refused, {
      code: 2,
      stderr:
        /^visits\.csv: .*: patient "0" is in clinic "0" and in clinic "1", and no other column tells if this is one patient or one in each clinic\n +expected: --group patient if it is one, or --group clinic,patient\n/,
    });
    const init = (group: string) => cellrun(cwd, 'init', '--from', 'visits.csv', '--force', '--group', group);
    t.match(await init('clinic,patient'), {
      code: 0,
      stdout: /^sequences +72, the rows of each patient \(`group: \[clinic, patient\]`\)$/m,
    });
    const told = await init('patient');
    t.match(told, { code: 0, stdout: /^note +patient "0" is in clinic "0" and in clinic "1", and/m });
  }
});

/** Visits of 40 patients to several sites, with sex and outcome of each patient `of` a number. */
function visits(of: (patient: number, site: number) => number): string {
  return table('patient_id,date,sex,pressure,site,outcome', 240, i => {
    const [patient, visit] = [Math.floor(i / 6), i % 6];
    const site = Math.floor((patient + visit) / 2) % 3;
    const date = new Date(Date.UTC(2024, 0, 1 + patient + 9 * visit)).toISOString().slice(0, 10);
    const who = of(patient, site);
    const facts = [who % 2 ? 'm' : 'f', `${(i * i) % 89}.5`, `ward ${site}`, who % 5 > 2 ? 'ill' : 'well'];
    return `P${patient},${date},${facts.join()}`;
  });
}

t.test('facts tell if a patient of several sites is one', async t => {
  const one = dirname(
    work.file(
      'sites.csv',
      visits(patient => patient),
    ),
  );
  t.match(await cellrun(one, 'init', '--from', 'sites.csv'), {
    code: 0,
    stdout: /^target +outcome \(2 classes\)\nsequences +40, the rows of each patient_id$/m,
  });
  const several = visits((patient, site) => 7 * patient + 3 * site + patient * site);
  const cwd = dirname(work.file('sites.csv', several));
  t.match(await cellrun(cwd, 'init', '--from', 'sites.csv'), {
    code: 0,
    stdout: /^sequences +120, the rows of each patient_id \(`group: \[site, patient_id\]`\)$/m,
  });
});

t.test('rows with the same facts belong together under any name, in any order', async t => {
  /** Seven days of 40 customers. */
  const rows = Array.from({ length: 280 }, (_, i) => {
    const [customer, day] = [Math.floor(i / 7), i % 7];
    const time = Date.UTC(2024, 0, 1 + 2 * day, 0, (customer * 17) % 97, customer);
    const churn = (customer * customer) % 5 > 1 ? 'yes' : 'no';
    return { time, cells: [1000 + customer, (i * i) % 89, churn] as const };
  });
  const clocks = {
    date: (time: number) => new Date(time).toISOString().slice(0, 19).replace('T', ' '),
    ts: (time: number) => String(time),
  };
  for (const name of ['Kunde', 'Customer No'])
    for (const [clock, said] of Object.entries(clocks))
      for (const order of [rows, rows.toSorted((a, b) => a.time - b.time)]) {
        const csv = table(`${clock},${name},amount,churn`, rows.length, i =>
          [said(order[i].time), ...order[i].cells].join(),
        );
        const cwd = dirname(work.file('customers.csv', csv));
        const found = `target +churn \\(2 classes\\)\\nsequences +40, the rows of each ${name}\\norder +${clock}`;
        t.match(await cellrun(cwd, 'init', '--from', 'customers.csv'), {
          code: 0,
          stdout: new RegExp(`^${found}$`, 'm'),
        });
      }
});

t.test('equal times of machines under unusual names are no mistakes', async t => {
  const columns = 'time plant=werk unit=anlage repeat=lauf vibration load fault';
  const cwd = dirname(work.file('runs.csv', tableOfRuns('overlap between machines', columns)));
  const found = await cellrun(cwd, 'init', '--from', 'runs.csv');
  t.match(found, {
    code: 0,
    stdout:
      /^target +fault \(2 classes\)\nsequences +60, the rows of each lauf \(`group: \[\w+, \w+, lauf\]`\)$/m,
  });
  t.notMatch(found.stdout, /keep one row of each time/);
});

t.test('a count of steps that starts again is known by its values, under any name', async t => {
  const names = [
    ['maschine', 'lauf', 'zeit', 'druck', 'zustand'],
    ['被験者', '試行', '時刻', '加速度', '動作'],
  ];
  for (const [subject, run, time, ...others] of names) {
    const csv = table([subject, run, time, ...others].join(), 9 * 10 * 20, i => {
      const [machine, number, step] = [Math.floor(i / 200), Math.floor(i / 20) % 10, i % 20];
      return `M${machine},${number + 1},${step},${Math.sin(i * i).toFixed(3)},${(machine + number) % 2 ? 'a' : 'b'}`;
    });
    const cwd = dirname(work.file('runs.csv', csv));
    const { stdout } = await cellrun(cwd, 'init', '--from', 'runs.csv');
    t.match(
      stdout.replaceAll('"', ''),
      `sequences  90, the rows of each ${run} (\`group: [${subject}, ${run}]\`)`,
    );
    t.match(stdout.replaceAll('"', ''), `\norder      ${time}\n`);
    t.match(stdout.replaceAll('"', ''), `the rows of each ${subject} are in one split`);
  }
});

t.test('sequences that three names tell are found in any order of the rows', async t => {
  for (const [cycles, time] of [
    [3, 'zeit'],
    [8, 'second'],
  ] as const) {
    const count = 4 * 3 * cycles * 15;
    const csv = (at: (i: number) => number) =>
      table(`machine,shift,cycle,${time},force,state`, count, i => {
        const [sequence, step] = [Math.floor(at(i) / 15), at(i) % 15];
        const names = `M${Math.floor(sequence / cycles / 3)},${(Math.floor(sequence / cycles) % 3) + 1},${sequence % cycles}`;
        return `${names},${step},${Math.sin(at(i) ** 2).toFixed(3)},${(sequence * sequence) % 7 > 3 ? 'worn' : 'new'}`;
      });
    // 1009 is prime: a permutation
    for (const order of [(i: number) => i, (i: number) => (i * 1009) % count]) {
      const cwd = dirname(work.file('cycles.csv', csv(order)));
      const { stdout } = await cellrun(cwd, 'init', '--from', 'cycles.csv');
      t.match(
        stdout,
        `sequences  ${12 * cycles}, the rows of each cycle (\`group: [machine, shift, cycle]\`)`,
      );
      t.match(stdout, `\norder      ${time}\n`);
    }
  }
});

/** The rows of 50 lots, six each, in any order: quality depends on the lot. */
function lots(name: string, nameOf: (lot: number) => string, isMixed = true): string {
  return table(`${name},temp,pressure,density,quality`, 300, i => {
    // 7 and 300 have no common factor
    const lot = Math.floor((isMixed ? (i * 7) % 300 : i) / 6);
    const measured = [12.9, 78.2, 37.7].map(factor => Math.sin(i * factor).toFixed(3));
    return [nameOf(lot), ...measured, Math.sin(lot * 12.9) > 0 === i % 10 > 0 ? 'good' : 'bad'].join();
  });
}

t.test('rows of the same lot are in one split, and its name is no feature', async t => {
  const named = (lot: number) => `CH-${1000 + 7 * lot}`;
  for (const [name, csv] of [
    ['Charge', lots('Charge', named)],
    ['Charge', lots('Charge', named, false)],
    ['Batch', lots('Batch', lot => String(lot + 1))],
    ['Proband', lots('Proband', lot => `anna bert carl dora eva`.split(' ')[lot % 5] + (lot >> 3))],
    ['c', lots('c', named)],
  ] as const) {
    const cwd = dirname(work.file('lots.csv', csv));
    const { stdout, stderr } = await cellrun(cwd, 'init', '--from', 'lots.csv', '--force', '--as', 'rows');
    t.match(stdout, /^features +temp, pressure, density$/m, stderr);
    t.match(stdout, `\nsplits     the rows of each ${name} are in one split`);
    const config = readFileSync(join(cwd, 'lots.cellrun.yaml'), 'utf8');
    t.match(config, `\n  validation: { fraction: 0.2, group: ${name} }`);
    t.match(config, `\n  test: { fraction: 0.2, group: ${name} }\n`);
    const { stdout: data } = await cellrun(cwd, 'data', 'lots.cellrun.yaml');
    t.match(data, new RegExp(`^groups of ${name}: .*; none in two splits$`, 'm'));
  }
});

t.test('words that are no names remain features of rows', async t => {
  const towns = ['Bern', 'Chur', 'Genf', 'Basel', 'Zug', 'Thun', 'Biel', 'Olten', 'Aarau', 'Visp'];
  for (const nameOf of [
    (i: number) => towns[i % 10],
    (i: number) => `K${Math.floor((1 + Math.sin(i * i)) ** 4)}`, // codes, some of them rare
  ]) {
    const csv = table('kind,size,label', 200, i => `${nameOf(i)},${Math.sin(i)},${i % 3 ? 'a' : 'b'}`);
    const cwd = dirname(work.file('kinds.csv', csv));
    const { stdout } = await cellrun(cwd, 'init', '--from', 'kinds.csv');
    t.match(stdout, /^features +kind \(words\), size$/m);
    t.notMatch(stdout, /^splits/m);
  }
});

t.test('merged cells are no gaps: they have to be filled', async t => {
  for (const every of [3, 6])
    for (const nameOf of [
      (i: number) => `lot ${'abcdefghijklmnopqrst'[i % 20]}${i}`,
      (i: number) => String(4711 + 13 * i),
    ]) {
      const csv = table('Charge,temp,quality', 240, i =>
        [
          i % every ? '' : nameOf(i / every),
          Math.sin(i * i).toFixed(3),
          Math.sin(i * 12.9) > 0 ? 'good' : 'bad',
        ].join(),
      );
      const cwd = dirname(work.file('merged.csv', csv));
      t.match(await cellrun(cwd, 'init', '--from', 'merged.csv', '--force'), {
        code: 0,
        stdout: /^not used +Charge: its cells seem to be merged in a spreadsheet: fill them down first$/m,
      });
      t.match(await cellrun(cwd, 'init', '--from', 'merged.csv', '--force', '--group', 'Charge'), {
        code: 2,
        stderr: new RegExp(
          `Charge belong together, and it has no value in ${240 - 240 / every} rows, first in line 3; its cells seem to be merged`,
        ),
      });
    }
});

t.test('values in some rows are not taken for merged cells', async t => {
  for (const [cell, says] of [
    [(i: number) => (i % 6 ? '' : Math.sin(i).toFixed(3)), 'features +slow, temp'], // measured less often
    [(i: number) => (i % 6 && i !== 20 ? '' : 'abc'[i % 3]), 'features +slow \\(words\\), temp'],
  ] as const) {
    const csv = table('slow,temp,quality', 240, i =>
      [cell(i), Math.sin(i * i).toFixed(3), i % 5 > 2 ? 'good' : 'bad'].join(),
    );
    const cwd = dirname(work.file('slow.csv', csv));
    const found = await cellrun(cwd, 'init', '--from', 'slow.csv', '--as', 'rows');
    t.match(found, { code: 0, stdout: new RegExp(`^${says}$`, 'm') });
    t.notMatch(found.stdout, /merged/);
  }
});

t.test('a pattern of files in subfolders is a table', async t => {
  const rows = (part: number) =>
    table('x,label', 40, i => `${Math.sin(i * i + part).toFixed(3)},${i % 3 ? 'a' : 'b'}`);
  const root = work.folder();
  for (const [part, folder] of ['a', 'b/c'].entries()) {
    mkdirSync(join(root, 'sub', folder), { recursive: true });
    writeFileSync(join(root, 'sub', folder, `${part}.csv`), rows(part));
  }
  t.match(await cellrun(root, 'init', 'all.yaml', '--from', 'sub/**/*.csv'), {
    code: 0,
    stdout: /^rows +80$/m,
  });
  t.match(await cellrun(root, 'validate', 'all.yaml'), { code: 0 });
  t.match(await cellrun(root, 'init', 'none.yaml', '--from', 'none/**/*.csv'), {
    code: 2,
    stderr: /^none\/\*\*\/\*\.csv: no file matches the pattern/,
  });
});

t.test('labels in the names of tables are not read, and a note says so', async t => {
  const cwd = work.folder();
  const labelOf = (i: number) => ['walk', 'run', 'sit'][Math.floor(i / 6) % 3];
  const write = (folder: string, columns: string, nameOf: (i: number) => string) => {
    mkdirSync(join(cwd, folder));
    for (let i = 0; i < 36; i++) {
      const rows = table(columns, 20, k =>
        [k, Math.sin(k * k + i).toFixed(3), (k * i) % 7, labelOf(i)]
          .slice(0, columns.split(',').length)
          .join(),
      );
      writeFileSync(join(cwd, folder, nameOf(i)), rows);
    }
  };
  const nameOf = (i: number) => `S0${1 + (i % 6)}_${labelOf(i)}_${Math.floor(i / 18)}.csv`;
  write('named', 't,ax,ay', nameOf);
  write('told', 't,ax,ay,label', nameOf);
  write('numbered', 't,ax,ay', i => `p${1000 + i}.csv`);
  const init = (folder: string) =>
    cellrun(cwd, 'init', '--from', folder, ...(folder === 'told' ? [] : ['--target', 'ay', '--as', 'steps']));
  const note = 'note       the names of the files seem to have a label';
  t.match(await init('named'), {
    code: 0,
    stdout: `${note} (run, sit, walk), and who was recorded (S01, S02, S03, …), but only those of WAV files are read`,
  });
  for (const folder of ['told', 'numbered']) {
    const { code, stdout, stderr } = await init(folder);
    t.equal(code, 0, stderr);
    t.notMatch(stdout, note);
  }
});

t.test('a forecast of series in files of their own is refused', async t => {
  const cwd = work.folder();
  mkdirSync(join(cwd, 'shops'));
  for (let shop = 0; shop < 6; shop++)
    writeFileSync(
      join(cwd, 'shops', `s${shop}.csv`),
      table('t,sales', 60, i => `${i},${(10 + Math.sin(i + shop)).toFixed(3)}`),
    );
  t.match(await cellrun(cwd, 'init', '--from', 'shops'), {
    code: 2,
    stderr:
      /^shops: cannot write a config for this table: a forecast reads one table, in which a column names the series/,
  });
});
