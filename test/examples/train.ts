import { resume, run, validate } from 'cellrun';

const config = process.argv[2];

// what is wrong with a config is data, with its place
const { valid, diagnostics } = await validate(config);
if (!valid)
  for (const { code, message, file, line, column } of diagnostics)
    console.error(`${file}:${line}:${column}: ${message} (${code})`);

// stops after the first epoch; an AbortSignal stops it after any step
const stopped = await run(config, {
  set: { 'training.num_epochs': 2 },
  pauseAfterEpoch: 1,
  onProgress: progress => {
    if (progress.type === 'evaluated') console.log(progress.split, progress.metrics.loss);
  },
});

const { status, exitCode, directory, summary } = await resume(stopped.directory);
console.log(status, exitCode, summary.metrics.test.loss);
console.log(directory);
