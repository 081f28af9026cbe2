import { evaluate, loadRun, predict } from 'cellrun';

const directory = process.argv[2];

const { loss, count } = await evaluate(directory, { split: 'test' });
console.log('test loss', loss, 'of', count);

// a split of the run's data; or the path of a file, a stream, or sequences of this program
for await (const { index, predictions } of predict(directory, { split: 'test' }))
  console.log(index, predictions[0]);

const { config, manifest, summary, checkpoints, history } = loadRun(directory);
console.log(config.model, manifest?.parameters, summary?.status);
const { steps, values } = history()['test.loss'];
for (const [i, step] of steps.entries()) console.log('step', step, values[i]);
for (const [name, { shape }] of checkpoints[0].tensors()) console.log(name, shape);
