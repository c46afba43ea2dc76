//! The application's entities. None of them has its marker column: an entity need not know it.

use sea_orm::{ActiveModelTrait, DatabaseConnection, Set};
use uuid::Uuid;

macro_rules! entity {
    ($module:ident, $table:literal $(, $schema:literal)?, { $($(#[$attribute:meta])* $field:ident: $type:ty),* }) => {
        #[allow(unreachable_pub, reason = "SeaORM's derives make public items")]
        pub(crate) mod $module {
            #[allow(unused_imports, reason = "not every entity has a UUID")]
            use sea_orm::{entity::prelude::*, prelude::Uuid};

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
            #[sea_orm(table_name = $table $(, schema_name = $schema)?)]
            pub struct Model { $($(#[$attribute])* pub $field: $type),* }

            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}
        }
    };
}

entity!(block, "block", {
    #[sea_orm(primary_key, auto_increment = false)]
    id: i64,
    title: String,
    gcal_id: Option<String>,
    kind: Option<String>
});
entity!(toy, "toy", {
    #[sea_orm(primary_key, auto_increment = false)]
    id: Uuid,
    name: String
});
entity!(member, "member", {
    #[sea_orm(primary_key, auto_increment = false)]
    tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    name: String
});
entity!(color, "color", {
    #[sea_orm(primary_key, auto_increment = false)]
    id: i64
});
entity!(flag, "flag", {
    #[sea_orm(primary_key, auto_increment = false)]
    id: i32,
    hidden: Option<bool>
});
entity!(stray, "stray", {
    #[sea_orm(primary_key)]
    id: i32
});
// The same table, named with its schema, and one of that name elsewhere.
entity!(public_block, "block", "public", {
    #[sea_orm(primary_key, auto_increment = false)]
    id: i64
});
entity!(archived_block, "block", "archive", {
    #[sea_orm(primary_key, auto_increment = false)]
    id: i64
});
// An entity that leaves the key out.
entity!(keyless_block, "block", {
    #[sea_orm(primary_key)]
    title: String
});

pub(crate) async fn insert_block(conn: &DatabaseConnection, id: i64, kind: Option<&str>) -> block::Model {
    let block = block::ActiveModel {
        id: Set(id),
        title: Set(format!("booking {id}")),
        gcal_id: Set(Some(format!("g{id}"))),
        kind: Set(kind.map(str::to_owned)),
    };
    block.insert(conn).await.unwrap()
}

pub(crate) async fn insert_blocks(conn: &DatabaseConnection, count: i64) -> Vec<block::Model> {
    let mut blocks = Vec::new();
    for id in 1..=count {
        blocks.push(insert_block(conn, id, None).await);
    }
    blocks
}

pub(crate) async fn insert_toy(conn: &DatabaseConnection, id: Uuid) -> toy::Model {
    toy::ActiveModel { id: Set(id), name: Set("bear".into()) }.insert(conn).await.unwrap()
}

pub(crate) async fn insert_member(conn: &DatabaseConnection, tenant_id: Uuid, name: &str) -> member::Model {
    member::ActiveModel { tenant_id: Set(tenant_id), name: Set(name.to_owned()) }.insert(conn).await.unwrap()
}
