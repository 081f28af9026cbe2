import { resume, run, validate } from 'cellrun';

const [, , config = 'config.yaml'] = process.argv;

// what is wrong with a config is data; file, line and column are there if they are known
const validation = await validate(config);
if (!validation.valid) {
  for (const { code, message, file, line, column } of validation.diagnostics) {
    const place = [file, line, column].filter(part => part !== undefined).join(':');
    console.error(`${place}: ${message} (${code})`);
  }
  process.exit(validation.exitCode);
}

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
