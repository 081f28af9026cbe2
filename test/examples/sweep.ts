import { sweep } from 'cellrun';

const { summary, directory } = await sweep({
  name: 'widths',
  base: process.argv[2],
  method: 'grid',
  parameters: { 'model.hidden_size': [4, 8] },
  objective: { metric: 'test.loss', goal: 'minimize' },
});
console.log(summary.best?.point, summary.best?.value);
console.log(directory);
