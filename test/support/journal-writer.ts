/**
 * A process that appends records to a journal and sends the number written on its channel:
 * `journal-writer PATH TRIAL COUNT`.
 */
import { Journal } from '../../src/sweep/journal.js';

const [path, trial, count] = process.argv.slice(2);
const journal = Journal.open(path, `${process.pid}`);
for (let i = 1; i <= Number(count); i++) {
  journal.append({
    event: 'trial.chosen',
    trial: Number(trial),
    point: { i, padding: 'x'.repeat((i * 37) % 9000) },
  });
  process.send?.(i);
  // lets the message be sent between two records, so that a killed process has reported its records
  await new Promise(resolve => setImmediate(resolve));
}
journal.close();
process.disconnect?.();
