import type { Image } from './service.ts';

/** An image's user: a number, or a name that only its /etc/passwd explains. */
export type ImageUser = { readonly uid: number } | { readonly username: string };

/**
 * What a CRI runtime tells the kubelet of an image's user: what stands before a colon; without one it is root
 * (kuberuntime_container.go, getImageUser; containerd, getUserFromImage).
 */
export function imageUser({ config }: Pick<Image, 'config'>): ImageUser {
  const [user = ''] = config.user.split(':');
  if (user === '') return { uid: 0 };
  return /^[+-]?\d+$/.test(user) ? { uid: Number(user) } : { username: user };
}
