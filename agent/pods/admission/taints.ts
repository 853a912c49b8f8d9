import type { Pod, Taint } from '../../kube/types.ts';

/** Whether one of the pod's tolerations is for the taint (api/core/v1, ToleratesTaint). */
export function tolerates(pod: Pod, taint: Taint): boolean {
  return (pod.spec?.tolerations ?? []).some(({ key = '', operator = 'Equal', value = '', effect = '' }) => {
    if (effect !== '' && effect !== taint.effect) return false;
    if (key !== '' && key !== taint.key) return false;
    if (operator === 'Exists') return true;
    return operator === 'Equal' && key !== '' && value === (taint.value ?? '');
  });
}
