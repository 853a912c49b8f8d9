import type * as k8s from '@kubernetes/client-node';

/**
 * The API's types as they stand on the wire. @kubernetes/client-node's models turn times into Date (losing
 * microseconds); we keep the JSON as it came, so a time is an RFC 3339 string.
 */
export type Wire<T> = T extends Date
  ? string
  : T extends (infer Item)[]
    ? Wire<Item>[]
    : T extends object
      ? { [Key in keyof T]: Wire<T[Key]> }
      : T;

export type Pod = Wire<k8s.V1Pod>;
export type PodSpec = Wire<k8s.V1PodSpec>;
export type PodStatus = Wire<k8s.V1PodStatus>;
export type PodCondition = Wire<k8s.V1PodCondition>;
export type Container = Wire<k8s.V1Container>;
export type ContainerStatus = Wire<k8s.V1ContainerStatus>;
export type ContainerState = Wire<k8s.V1ContainerState>;
export type Volume = Wire<k8s.V1Volume>;
export type VolumeMount = Wire<k8s.V1VolumeMount>;
export type EnvVar = Wire<k8s.V1EnvVar>;
export type Node = Wire<k8s.V1Node>;
export type NodeCondition = Wire<k8s.V1NodeCondition>;
export type NodeStatus = Wire<k8s.V1NodeStatus>;
export type Taint = Wire<k8s.V1Taint>;
export type Lease = Wire<k8s.V1Lease>;
export type ConfigMap = Wire<k8s.V1ConfigMap>;
export type Secret = Wire<k8s.V1Secret>;
export type Service = Wire<k8s.V1Service>;
export type CoreEvent = Wire<k8s.CoreV1Event>;
export type ObjectReference = Wire<k8s.V1ObjectReference>;
export type ObjectMeta = Wire<k8s.V1ObjectMeta>;
export type Status = Wire<k8s.V1Status>;
export type CertificateSigningRequest = Wire<k8s.V1CertificateSigningRequest>;
export type TokenRequest = Wire<k8s.AuthenticationV1TokenRequest>;
export type TokenReview = Wire<k8s.V1TokenReview>;
export type SubjectAccessReview = Wire<k8s.V1SubjectAccessReview>;

/** Any object of the API. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
}
