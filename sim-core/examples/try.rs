use std::sync::Arc;
use sim_core::cluster::*; use sim_core::time::*; use sim_core::trace::recording;
use sim_apimachinery::*;
fn main(){
  let f=std::env::args().nth(1).unwrap(); let secs: u64=std::env::args().nth(2).unwrap().parse().unwrap();
  let mut set=sim_workload::ProfileSet::builtin(); set.prefer("fastapi-k8s-recorded");
  let mut p=Profile::docker_desktop(); p.load_balancer=false;
  let mut c=Cluster::new(Arc::new(p),Arc::new(set),1);
  let began=c.now();
  let text=std::fs::read_to_string(f).unwrap();
  let cause=c.act("user","apply",0);
  for d in yaml::read(&text,&Default::default()).unwrap().documents {
    let k=Kind::find(d.value["apiVersion"].as_str().unwrap().split_once('/').map(|x|x.0).unwrap_or(""),d.value["kind"].as_str().unwrap()).unwrap();
    let mut o=Object::from_json(k,d.value).unwrap(); if k.is_namespaced(){o.metadata_mut().namespace.get_or_insert("default".into());}
    let a=c.ask(1,Request::new(&"kubectl".into(),Verb::Create{object:o}),cause); if a.is_err(){eprintln!("{a:?}");}
  }
  c.run_until(began.plus(secs*SECOND));
  let h=recording::Header{name:"x".into(),about:"".into(),began,namespace:"default".into()};
  recording::write(&h,c.etcd(),&c.trace,&mut |l|println!("{l}"));
  eprintln!("steps {} now {}", c.trace.len(), c.now().since(began));
}
