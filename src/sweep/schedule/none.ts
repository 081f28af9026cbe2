/** Trains every trial to the last epoch. */
import { object, tag } from '../../util/schema.js';
import { pruner } from './pruner.js';

export const none = pruner({
  settings: object(
    { kind: tag('none', { description: 'Train every trial to the end.' }) },
    { title: 'NoPruner' },
  ),
  create: (_, epochs) => ({ rungs: () => [epochs], judge: () => 'advance' }),
});
